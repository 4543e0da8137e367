//! Good files: their hashes, and that spelling does not change them.

use journey_types::CatalogRevision;
use proptest::prelude::*;

use super::{as_version_1, check_text};
use crate::catalog::Catalog;
use crate::document::DocumentKind;

/// The journey of JOURNEYS section 1, without what is not delivered yet.
pub(super) const METER: &str = include_str!("meter.yaml");

#[test]
fn the_meter_journey_is_fine_and_its_hash_is_fixed() {
    let report = check_text(METER);
    assert_eq!(report.render(), "");
    let mut found: Vec<String> = report
        .documents
        .iter()
        .map(|document| {
            format!(
                "{} {} {}\n{}",
                document.kind, document.id, document.hash, document.canonical_json
            )
        })
        .collect();
    found.extend(report.new_aggregates);
    let found = found.join("\n");
    assert_eq!(found, include_str!("meter.golden").trim(), "\n{found}");
}

fn hashes(text: &str) -> Vec<String> {
    let report = check_text(text);
    assert!(report.is_publishable(), "{}", report.render());
    let documents = report.documents.into_iter();
    documents.map(|document| document.hash).collect()
}

#[test]
fn spelling_order_titles_and_defaults_do_not_change_the_hash() {
    let plain = "journey: a\nentry: [{ event: e }]\nsteps: { s: { delay: 2d, next: t }, t: { delay: { for: 1d, window: { hours: '09:00-18:00' } } } }\n";
    let spelled = r#"
owner: somebody
steps:
  t:
    title: The second
    delay: { window: { hours: "9:00-18:00", days: [sat-sun, mon-fri], zone: customer }, for: 24h }
    next: end
  s: { next: t, delay: { for: "48h" } }
start: s
reentry: { again: always, concurrent: 1, min_gap: 0s, on_conflict: ignore }
title: A title
entry:
  - event: "e"
"journey": a
"#;
    assert_eq!(hashes(plain), hashes(spelled));
    for changed in [
        plain.replace("2d", "3d"),
        plain.replace("event: e", "event: f"),
        plain.replace("'09:00", "'09:30"),
        format!("{plain}start: t\n").replace("t: { delay", "t: { next: s, delay"),
    ] {
        assert_ne!(hashes(plain), hashes(&changed), "{changed}");
    }
}

#[test]
fn json_is_yaml() {
    let yaml = "journey: a\nentry: [{ event: e, where: event.properties.n > 1 }]\nsteps: { s: { update: { traits.x: 1.5, vars.y: null } } }\n";
    let json = r#"{"journey":"a","entry":[{"event":"e","where":"event.properties.n > 1"}],"steps":{"s":{"update":{"traits.x":1.5,"vars.y":null}}}}"#;
    assert_eq!(hashes(yaml), hashes(json));
}

#[test]
fn a_journey_of_the_largest_size_is_fine_and_a_larger_one_is_refused() {
    let mut text = "journey: a\nentry: [{ event: e }]\nsteps:\n".to_owned();
    for n in 0..1_000 {
        let next = (n + 1) % 1_000;
        text.push_str(&format!("  s{n}: {{ delay: 1d, next: s{next} }}\n"));
    }
    assert_eq!(check_text(&text).render(), "");
    text.push_str("  s1000: { delay: 1d }\n");
    let report = check_text(&text);
    assert_eq!(
        report.diagnostics[0].message,
        "a journey has at most 1000 steps, this one has 1001"
    );
}

proptest! {
    #[test]
    fn no_damage_to_a_file_makes_check_panic(
        at in 0..METER.len(),
        length in 0_usize..40,
        inserted in "[-a-z0-9:{}\\[\\]\"'&*!#|>%@`\n\t ?,.é]{0,12}",
    ) {
        let end = (at + length).min(METER.len());
        prop_assume!(METER.is_char_boundary(at) && METER.is_char_boundary(end));
        let text = format!("{}{inserted}{}", &METER[..at], &METER[end..]);
        let report = check_text(&text);
        let n_lines = text.lines().count() + 2;
        for diagnostic in &report.diagnostics {
            prop_assert!(usize::try_from(diagnostic.line).unwrap() <= n_lines);
            prop_assert!(diagnostic.render().contains(&diagnostic.message));
        }
        // What can be published can be read again from its own text.
        if report.is_publishable() {
            let documents: Vec<_> = report.documents.iter().map(as_version_1).collect();
            let catalog = Catalog::build(CatalogRevision::new(1), &documents);
            prop_assert!(catalog.is_ok(), "{:?}\n{text}", catalog.err());
        }
    }
}

#[test]
fn a_journey_enters_on_the_event_it_names() {
    let report = check_text(METER);
    let journeys = report.documents.iter();
    let journeys = journeys.filter(|document| document.kind == DocumentKind::Journey);
    let published: Vec<_> = journeys.map(as_version_1).collect();
    let catalog = Catalog::build(CatalogRevision::new(1), &published).unwrap();
    let entered: Vec<_> = catalog.entries.keys().map(ToString::to_string).collect();
    assert_eq!(entered, ["reading_failed"]);
}

#[test]
fn the_sample_journeys_of_the_demo_are_fine() {
    for text in [
        include_str!("../../../../../cluster/journeys/abandoned_cart.yaml"),
        include_str!("../../../../../cluster/journeys/welcome.yaml"),
        include_str!("../../../../../cluster/journeys/win_back.yaml"),
    ] {
        assert_eq!(check_text(text).render(), "");
    }
}
