//! The scenarios that come along can be read; one that is wrong says everything that is wrong.

use super::{PhaseKind, load, names, parse};

#[test]
fn every_embedded_scenario_can_be_read() {
    for name in names() {
        let scenario = load(name).unwrap_or_else(|error| panic!("{error}"));
        assert!(!scenario.about.is_empty(), "{name}");
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = r#"
        sums = ["a b = c"]
        [customers]
        cuont = 3
        [traffic]
        form = "pigeon"
        batch = 5000
        events = [{ name = "x", weight = 0, properties = { p = "{nobody}" } }]
        [[phases]]
        name = "one"
        kind = "open"
        [[phases]]
        kind = "start"
    "#;
    let error = parse("wrong", text).unwrap_err().to_string();
    let expected = "\
scenario wrong has 10 problem(s):
  about: is missing
  sums: `a b = c`: `+` or `-` is missing before `b`
  customers.cuont: is no key here; did you mean `count`?
  traffic.form: `pigeon` is none of `stream`, `calls`
  traffic.events[0].weight: must be a whole number from 1 to 1000000, not 0
  traffic.events[0].properties: `p` must be text, a number, true or false, `{sent}`, `{number}` or `{due}`
  traffic.batch: must be a whole number from 1 to 1000, not 5000
  phases[0]: an open phase needs `rate` or `of-maximum`, one of them
  phases[1].name: is missing
  phases[1]: a start phase needs [customers.start], the event sent";
    assert_eq!(error, expected);
}

#[test]
fn a_share_of_the_maximum_needs_a_maximum() {
    let text = r#"
        about = "x"
        traffic.events = [{ name = "x" }]
        [[phases]]
        name = "one"
        kind = "open"
        of-maximum = 0.5
    "#;
    let error = parse("wrong", text).unwrap_err().to_string();
    assert!(
        error.contains("needs a measured closed phase before it"),
        "{error}"
    );
}

#[test]
fn flags_change_what_they_name() {
    let mut scenario = load("advance").unwrap();
    let changes = crate::arguments::Changes {
        seconds: Some(3),
        customers: Some(50),
        ..Default::default()
    };
    changes.apply(&mut scenario).unwrap();
    assert_eq!(
        (scenario.customers.count, scenario.customers.sample),
        (50, 50)
    );
    let seconds: Vec<u64> = scenario
        .phases
        .iter()
        .map(|phase| match &phase.kind {
            PhaseKind::Open { seconds, .. } => u64::from(*seconds),
            _ if phase.is_measured => crate::progress::planned_seconds(&scenario),
            _ => 0,
        })
        .collect();
    assert_eq!(seconds, [8, 0, 8, 3]);
}
