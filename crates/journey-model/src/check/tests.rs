//! What authors are told: a table of bad files with every message, and good files with their hashes.

use super::{CheckReport, CheckedDocument, Surroundings, check, check_within};
use crate::catalog::{Catalog, PublishedDocument};
use crate::document::DocumentKind;
use crate::source::Source;

mod good;

fn check_text(text: &str) -> CheckReport {
    check(&[Source::new("a.yaml", text)], &Catalog::default())
}

/// One case of a golden table: a name, YAML, and what `check` says of it.
struct Case<'t> {
    name: &'t str,
    yaml: &'t str,
    expected: &'t str,
}

const CASE: &str = "######## ";
const SAYS: &str = "######## says\n";

fn cases(table: &str) -> Vec<Case<'_>> {
    let (_, mut rest) = table.split_once(CASE).unwrap();
    let mut found = Vec::new();
    loop {
        let (name, after) = rest.split_once('\n').unwrap();
        let (yaml, after) = after.split_once(SAYS).unwrap();
        let (expected, next) = match after.split_once(CASE) {
            Some((expected, next)) => (expected, Some(next)),
            None => (after, None),
        };
        found.push(Case {
            name,
            yaml,
            expected: expected.trim(),
        });
        match next {
            Some(next) => rest = next,
            None => return found,
        }
    }
}

/// Compares every case of a table; where one differs, prints the whole table as it should be.
fn compare(table: &str) {
    let (head, _) = table.split_once(CASE).unwrap();
    let mut actual = head.to_owned();
    let mut wrong = Vec::new();
    for case in cases(table) {
        let report = check_text(case.yaml);
        let says = report.render();
        if says.trim() != case.expected {
            wrong.push(case.name);
        }
        actual.push_str(&format!(
            "{CASE}{}\n{}{SAYS}{}\n\n",
            case.name,
            case.yaml,
            says.trim()
        ));
    }
    assert!(
        wrong.is_empty(),
        "these differ: {wrong:?}; the table would be:\n<<<<<<<<\n{actual}>>>>>>>>"
    );
}

#[test]
fn bad_yaml_is_reported_with_its_place_and_a_way_out() {
    compare(include_str!("tests/bad_yaml.golden"));
}

#[test]
fn bad_journeys_are_reported_with_every_problem() {
    compare(include_str!("tests/bad_journeys.golden"));
}

#[test]
fn every_bad_file_has_an_error_and_publishes_nothing_of_it() {
    for table in [
        include_str!("tests/bad_yaml.golden"),
        include_str!("tests/bad_journeys.golden"),
    ] {
        for case in cases(table) {
            let report = check_text(case.yaml);
            assert!(
                !case.expected.contains("error:") || !report.is_publishable(),
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn two_files_are_checked_together() {
    let journey = "journey: a\nentry: [{ event: e }]\nsteps: { s: { message: { content: c, channels: [email] } } }\n";
    let content = "content: c\nvariants: [{ channel: email, body: hello }]\n";
    let alone = check(&[Source::new("j.yaml", journey)], &Catalog::default());
    assert!(!alone.is_publishable());
    let sources = [
        Source::new("j.yaml", journey),
        Source::new("c.yaml", content),
    ];
    let together = check(&sources, &Catalog::default());
    assert_eq!(together.render(), "");
    assert_eq!(together.documents.len(), 2);
    // What is published may be referred to as well.
    let catalog = publish(&together, |kind| kind == DocumentKind::Content);
    let later = check(&[Source::new("j.yaml", journey)], &catalog);
    assert_eq!(later.render(), "");
}

/// The catalog of those documents of a report that are of fitting kinds, each as version 1.
fn publish(report: &CheckReport, fits: impl Fn(DocumentKind) -> bool) -> Catalog {
    let documents = report
        .documents
        .iter()
        .filter(|document| fits(document.kind));
    let published: Vec<PublishedDocument> = documents.map(as_version_1).collect();
    Catalog::build(journey_types::CatalogRevision::new(1), &published).unwrap()
}

fn as_version_1(document: &CheckedDocument) -> PublishedDocument {
    PublishedDocument {
        kind: document.kind,
        id: document.id.clone(),
        version: 1,
        hash: document.hash.clone(),
        source_name: document.source_name.clone(),
        source: document.source.clone(),
    }
}

#[test]
fn a_content_cannot_lose_a_channel_that_a_published_journey_sends_on() {
    let catalog = publish(&check_text(good::METER), |_| true);
    let content = "content: meter_video\nvariants: [{ channel: email, body: hello }]\n";
    let sources = [Source::new("c.yaml", content)];
    let report = check(&sources, &catalog);
    insta::assert_snapshot!(report.render(), @r"
    error: `meter_reading_help` version 1 sends this content on `push`, `sms`, which it has no longer
     --> c.yaml:1:10
      |
    1 | content: meter_video
      |          ^^^^^^^^^^^
      = keep the variant, or publish the journey without the channel together with it
    ");
    // Together with a version of the journey that does without, it is only told.
    let journey = good::METER.replace("[push, sms, email]", "[email]");
    let (journey, _) = journey.split_once("---").unwrap();
    let sources = [
        Source::new("c.yaml", content),
        Source::new("j.yaml", journey),
    ];
    let report = check(&sources, &catalog);
    assert!(report.is_publishable(), "{}", report.render());
    assert_eq!(report.diagnostics.len(), 1);
}

#[test]
fn a_content_cannot_begin_to_read_what_instances_of_a_published_journey_lack() {
    let catalog = publish(
        &check_text(
            "journey: by_call\nentry: [ { api: enroll } ]\nsteps: { s: { message: { content: c, channels: [sms] } } }\n---\n\
             journey: by_both\nentry: [ { api: enroll }, { event: e } ]\nsteps: { s: { message: { content: c, channels: [sms] } } }\n---\n\
             content: c\nvariants: [ { channel: sms, body: hello } ]\n",
        ),
        |_| true,
    );
    let content = "content: c\nvariants: [ { channel: sms, body: '{{ entry.id }}' } ]\n";
    let report = check(&[Source::new("c.yaml", content)], &catalog);
    insta::assert_snapshot!(report.render(), @r"
    error: `by_call` version 1 sends this content, and it reads `entry` on `sms`, which instances lack that are entered by enroll calls alone: those bring `input`
     --> c.yaml:1:10
      |
    1 | content: c
      |          ^
      = write that part of it inside `{% if entry is defined %}…{% endif %}`

    warning: `by_both` version 1 sends this content, and it reads `entry` on `sms`, which instances lack that enter by an enroll call: their message would fail
     --> c.yaml:1:10
      |
    1 | content: c
      |          ^
      = write that part of it inside `{% if entry is defined %}…{% endif %}`
    ");
    assert!(!report.is_publishable());
    let guarded = content.replace(
        "{{ entry.id }}",
        "{% if entry is defined %}{{ entry.id }}{% endif %}",
    );
    let report = check(&[Source::new("c.yaml", &guarded)], &catalog);
    assert_eq!(report.render(), "");
}

#[test]
fn counts_that_are_new_are_said_and_known_ones_are_not() {
    let report = check_text(good::METER);
    assert_eq!(report.new_aggregates, ["count(reading_failed)"]);
    let catalog = publish(&report, |_| true);
    let again = check(&[Source::new("a.yaml", good::METER)], &catalog);
    assert_eq!(again.new_aggregates, [""; 0]);
}

#[test]
fn catalog_names_the_connectors_that_any_version_calls() {
    let calls = |connector: &str, version| {
        let journey = format!(
            "journey: scored\nentry: [ {{ event: e }} ]\nsteps: {{ s: {{ call: {{ webhook: {connector} }} }} }}\n"
        );
        let report = check_text(&journey);
        assert!(report.is_publishable(), "{}", report.render());
        report.documents[0].clone().published(version)
    };
    let silent =
        check_text("journey: quiet\nentry: [ { event: e } ]\nsteps: { s: { delay: 1d } }\n");
    let documents = [
        calls("old", 1),
        calls("new", 2),
        as_version_1(&silent.documents[0]),
    ];
    let catalog = Catalog::build(journey_types::CatalogRevision::new(1), &documents).unwrap();
    let called: Vec<String> = catalog
        .called_connectors()
        .into_iter()
        .map(|(journey, connector)| format!("{journey} calls {connector}"))
        .collect();
    // Instances stay on their versions: what an older one calls is called too.
    assert_eq!(called, ["scored calls new", "scored calls old"]);
}

#[test]
fn connectors_are_held_against_the_node_where_it_is_known() {
    let journey = "journey: a\nentry: [{ event: e }]\nsteps: { s: { call: { webhook: crn } } }\n";
    let says = |connectors: Option<&[&str]>| {
        let connectors = connectors.map(|ids| ids.iter().map(|id| id.parse().unwrap()).collect());
        let surroundings = Surroundings { connectors };
        let sources = [Source::new("j.yaml", journey)];
        check_within(&sources, &Catalog::default(), &surroundings).render()
    };
    assert_eq!(says(None), "", "an author's machine knows of no node");
    assert_eq!(says(Some(&["crn"])), "");
    let meant = says(Some(&["crm", "erp"]));
    assert!(
        meant.contains("there is no connector `crn`") && meant.contains("did you mean `crm`?"),
        "{meant}"
    );
    let none = says(Some(&[]));
    assert!(none.contains("[connectors]"), "{none}");
}
