//! Catalogs of published documents.

use journey_types::{CatalogRevision, DefinitionVersion, EventName, JourneyId};

use super::{Catalog, CatalogError, PublishedDocument};
use crate::check::check;
use crate::document::DocumentKind;
use crate::source::Source;

/// Publishes a text as `check` cut it, all documents with one version.
fn publish(text: &str, version: u32) -> Vec<PublishedDocument> {
    let report = check(&[Source::new("a.yaml", text)], &Catalog::default());
    assert!(report.is_publishable(), "{}", report.render());
    report
        .documents
        .into_iter()
        .map(|document| PublishedDocument {
            kind: document.kind,
            id: document.id,
            version,
            hash: document.hash,
            source_name: document.source_name,
            source: document.source,
        })
        .collect()
}

const LAPSE: &str = "\
# Two documents with comments around them.
journey: lapse
entry: [{ event: purchase }]
steps:
  wait: { delay: 30d, next: tell }
  tell: { only_if: 'history.count(\"purchase\", \"30d\") == 0', emit: { event: lapsed } }
---
journey: welcome
entry: [{ event: signed_up }, { event: purchase, where: 'history.count(\"purchase\") == 1' }]
steps:
  hello: { message: { content: hello, channels: [email] } }
---
content: hello
variants: [{ channel: email, body: hello }]
---
schema: shop
events: { purchase: { value: double } }
";

const LAPSE_LONGER: &str = "\
journey: lapse
entry: [{ event: paid }]
steps:
  tell: { only_if: 'history.count(\"purchase\", \"60d\") == 0', emit: { event: lapsed } }
";

fn build(documents: &[PublishedDocument]) -> Catalog {
    Catalog::build(CatalogRevision::new(7), documents).unwrap()
}

#[test]
fn versions_entries_and_aggregates_are_indexed() {
    let mut documents = publish(LAPSE, 1);
    documents.extend(publish(LAPSE_LONGER, 2));
    let catalog = build(&documents);
    let lapse = JourneyId::new("lapse").unwrap();
    assert_eq!(catalog.revision, CatalogRevision::new(7));
    assert_eq!(
        catalog.newest_plan(&lapse).unwrap().version,
        DefinitionVersion::new(2)
    );
    assert!(catalog.plan(&lapse, DefinitionVersion::new(1)).is_some());
    let entering = |event: &str| -> Vec<String> {
        let journeys = catalog.entries.get(&EventName::new(event).unwrap());
        journeys
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(entering("paid"), ["lapse"]);
    assert_eq!(
        entering("purchase"),
        ["welcome"],
        "only newest versions enter"
    );
    assert_eq!(entering("signed_up"), ["welcome"]);
    let aggregates = &catalog.aggregates[&EventName::new("purchase").unwrap()];
    let windows: Vec<String> = aggregates
        .iter()
        .map(|spec| {
            format!(
                "{} {:?}",
                spec.label,
                spec.window_max.map(|window| window.to_string())
            )
        })
        .collect();
    assert_eq!(
        windows,
        ["count(purchase) Some(\"60d\")"],
        "the longest window of all versions"
    );
    assert!(
        catalog
            .schemas
            .event(&EventName::new("purchase").unwrap())
            .is_some()
    );
}

#[test]
fn the_order_of_documents_makes_no_difference() {
    let mut documents = publish(LAPSE, 1);
    documents.extend(publish(LAPSE_LONGER, 2));
    let forwards = build(&documents);
    documents.reverse();
    let backwards = build(&documents);
    assert_eq!(forwards.digest, backwards.digest);
    assert_eq!(format!("{forwards:?}"), format!("{backwards:?}"));
    let fewer = build(&documents[1..]);
    assert_ne!(forwards.digest, fewer.digest);
}

#[test]
fn damaged_documents_are_refused_with_their_name() {
    let documents = publish(LAPSE_LONGER, 1);
    let build = |documents: &[PublishedDocument]| {
        let error = Catalog::build(CatalogRevision::new(1), documents).unwrap_err();
        (error.clone(), error.to_string())
    };
    let twice = [documents[0].clone(), documents[0].clone()];
    let (error, text) = build(&twice);
    assert!(matches!(error, CatalogError::Twice { .. }), "{text}");
    let mut misfiled = documents[0].clone();
    misfiled.id = "other".to_owned();
    let (error, text) = build(&[misfiled]);
    assert!(matches!(error, CatalogError::Misfiled { .. }), "{text}");
    let mut unreadable = documents[0].clone();
    unreadable.source = unreadable.source.replace("emit", "conjure");
    let (error, text) = build(&[unreadable]);
    assert!(matches!(error, CatalogError::Unreadable { .. }));
    assert_eq!(
        text,
        "journey `lapse` version 1 cannot be read by this build (a.yaml:4:9: error: step `tell` says not what it does); it was published by another: run a build that knows it"
    );
}

#[test]
fn every_kind_of_document_is_kept_by_its_word() {
    for kind in DocumentKind::ALL {
        assert_eq!(DocumentKind::from_word(kind.word()), Some(kind));
    }
}
