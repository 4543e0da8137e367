//! Claims about embedded tests: what passes, and what a failing one tells.

use journey_model::Source;

use super::verdicts_of;

const JOURNEY: &str = r#"
journey: help
entry: [{ event: reading_failed, where: event.properties.attempt >= 2 }]
goals: [{ id: submitted, event: reading_submitted, exit: true }]
steps:
  teach: { message: { content: video, channels: [email], await: sent }, next: score }
  score: { call: { worker: risk }, on_error: wait, next: wait }
  wait: { wait_until: [{ event: gave_up, next: end }, { after: 2d, next: late }] }
  late: { emit: { event: too_late }, next: keep }
  keep: { update: { traits.late: true } }
tests:
  - name: a reading ends it
    given:
      - { at: 0s, event: reading_failed, properties: { attempt: 1 } }
      - { at: 1m, event: reading_failed, properties: { attempt: 2 } }
      - { at: 1d, event: reading_submitted }
    expect: { state: completed, outcome: submitted, entered: 1, goals: [submitted], sent: [video], emitted: [] }
  - name: the answer of the call is kept, and time runs out
    customer: { traits: { zone: Europe/London } }
    given:
      - { at: 0s, event: reading_failed, properties: { attempt: 2 } }
      - { at: 1h, outcome: { step: score, result: { points: 7 } } }
    until: 49h
    expect: { state: completed, emitted: [too_late], vars: { score: { points: 7 } }, traits: { late: true, zone: Europe/London } }
  - name: a call that fails goes on
    given:
      - { at: 0s, event: reading_failed, properties: { attempt: 2 } }
      - { at: 1h, outcome: { step: score, failed: no answer } }
    expect: { state: active, step: wait, vars: { score: null } }
  - name: this one is wrong
    given: [{ at: 0s, event: reading_failed, properties: { attempt: 2 } }]
    expect: { state: exited, step: wait, sent: [] }
---
content: video
variants: [{ channel: email, body: Look }]
"#;

#[test]
fn tests_pass_or_tell_what_was_expected_and_what_was_found() {
    let verdicts = verdicts_of(&[Source::new("help.yaml", JOURNEY)]).unwrap();
    let (wrong, right) = verdicts.split_last().unwrap();
    for one in right {
        assert_eq!(one.differences, Vec::<String>::new(), "{one:#?}");
    }
    assert_eq!(
        wrong.differences,
        [
            "state: expected exited, found active",
            "step: expected wait, found score",
            "sent: expected [], found [\"video\"]",
        ]
    );
    let journal = wrong.journal.join("\n");
    assert!(
        journal.contains("#1 call at score goes to queue:risk"),
        "{journal}"
    );
}

#[test]
fn tests_are_checked_and_say_nothing_of_the_version() {
    let misspelt = JOURNEY.replace("expect: { state: exited,", "expect: { stat: exited,");
    let error = verdicts_of(&[Source::new("help.yaml", misspelt.as_str())]).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("unknown field `stat`") && error.contains("`state`"),
        "{error}"
    );
    let (without, _) = JOURNEY.split_once("tests:").unwrap();
    let content = "---\ncontent: video\nvariants: [{ channel: email, body: Look }]\n";
    let hash = |text: &str| {
        let report = journey_model::check(
            &[Source::new("a.yaml", text)],
            &journey_model::Catalog::default(),
        );
        report.documents[0].hash.clone()
    };
    assert_eq!(hash(JOURNEY), hash(&format!("{without}{content}")));
    let none = verdicts_of(&[Source::new(
        "a.yaml",
        format!("{without}{content}").as_str(),
    )]);
    assert!(none.unwrap_err().to_string().contains("no test"));
}

#[test]
fn a_test_enrolls_and_may_expect_that_the_rules_refuse_it() {
    const ENROLLED: &str = r"
journey: offer
entry: [{ api: enroll, where: input.tier == 'gold' }]
reentry: { again: never }
steps:
  note: { update: { vars.tier: input.tier }, next: rest }
  rest: { delay: 1d }
tests:
  - name: gold enters once
    given:
      - { at: 0s, enroll: { tier: tin } }
      - { at: 1m, enroll: { tier: gold } }
      - { at: 2m, enroll: { tier: gold } }
    expect: { state: active, entered: 1, vars: { tier: gold } }
  - name: nobody else does
    given: [{ at: 0s, enroll: {} }]
    expect: { state: none, entered: 0 }
";
    for one in verdicts_of(&[Source::new("offer.yaml", ENROLLED)]).unwrap() {
        assert_eq!(one.differences, Vec::<String>::new(), "{one:#?}");
    }
}
