//! `wait_until`: order of branches, level and rising conditions, windows, events foreseen.

use insta::assert_snapshot;

use super::run;

const LISTED_ORDER: &str = r#"
journey: order
entry: [{ event: start }]
steps:
  wait:
    wait_until:
      - { when: history.count("ping") >= 2, next: counted }
      - { event: ping, where: event.properties.loud == true, next: loud }
      - { event: ping, where: event.properties.loud, next: never }
  counted: { update: { traits.way: "'counted'" } }
  loud: { update: { traits.way: "'loud'" } }
  never: { update: { traits.way: "'never'" } }
"#;

#[test]
fn branches_are_tried_in_listed_order_with_the_event_counted_already() {
    let script = "event start \n event ping loud=false \n event ping loud=true";
    assert_snapshot!(run(LISTED_ORDER, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered order v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event ping loud=false
    01-05 09:00 event ping loud=true
    01-05 09:00 #1 wait -> counted (branch 0)
    01-05 09:00 trait way = "counted"
    01-05 09:00 #1 counted -> end
    01-05 09:00 #1 ended: completed
    "#);
}

#[test]
fn a_condition_that_fails_to_evaluate_counts_as_false() {
    assert_snapshot!(run(LISTED_ORDER, "event start \n event ping \n"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered order v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event ping
    01-05 09:00 -- condition of ping: no field `loud` in `event.properties`
    01-05 09:00 -- condition of ping: no field `loud` in `event.properties`
    ");
}

const RISING: &str = r#"
journey: rising
entry: [{ event: start }]
steps:
  wait:
    wait_until:
      - { when: customer.traits.?hot.orValue(false), rising: true, next: end }
"#;

#[test]
fn a_rising_condition_needs_to_be_false_first() {
    let script = "
        event identify hot=true
        event start
        event identify hot=1
        event identify hot=true";
    assert_snapshot!(run(RISING, script), @r"
    01-05 09:00 event identify hot=true
    01-05 09:00 trait hot = true
    01-05 09:00 event start
    01-05 09:00 #1 entered rising v1 at wait
    01-05 09:00 #1 rests: branch 0 is true
    01-05 09:00 event identify hot=1
    01-05 09:00 trait hot = 1
    01-05 09:00 #1 rests: branch 0 is false
    01-05 09:00 -- condition of wait: gave int instead of true or false
    01-05 09:00 event identify hot=true
    01-05 09:00 trait hot = true
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    ");
}

const WINDOWED: &str = r#"
journey: lapse
entry: [{ event: start }]
steps:
  wait:
    wait_until:
      - { when: 'history.absent("purchase", "30d")', next: end }
"#;

#[test]
fn a_windowed_condition_wakes_by_itself_when_its_window_empties() {
    let script = "
        event purchase
        advance 1d
        event start
        advance 10d
        event purchase
        advance 60d";
    assert_snapshot!(run(WINDOWED, script), @r"
    01-05 09:00 event purchase
    01-06 09:00 event start
    01-06 09:00 #1 entered lapse v1 at wait
    01-06 09:00 #1 rests: recheck due 2026-02-04T09:00:00Z
    01-16 09:00 event purchase
    02-04 09:00:00.001 #1 rests: recheck due 2026-02-15T09:00:00Z
    02-15 09:00:00.001 #1 timer fired: recheck, due 2026-02-15T09:00:00Z
    02-15 09:00:00.001 #1 wait -> end (branch 0)
    02-15 09:00:00.001 #1 ended: completed
    ");
}

const FORESEEN: &str = r#"
journey: foresee
entry: [{ event: start }]
steps:
  rest: { delay: 1h, next: wait }
  wait:
    wait_until:
      - { event: paid, since: entry, next: rest }
      - { event: seen, next: end }
"#;

#[test]
fn an_event_before_the_wait_counts_once_where_the_branch_looks_back_to_entry() {
    let script = "
        event start
        event seen
        event paid
        event paid
        advance 1h
        advance 1h
        event seen";
    assert_snapshot!(run(FORESEEN, script), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered foresee v1 at rest
    01-05 09:00 #1 rests: delay due 2026-01-05T10:00:00Z
    01-05 09:00 event seen
    01-05 09:00 event paid
    01-05 09:00 #1 foresaw branch 0 of wait
    01-05 09:00 event paid
    01-05 10:00:00.001 #1 timer fired: delay, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #1 rest -> wait
    01-05 10:00:00.001 #1 wait -> rest (branch 0)
    01-05 10:00:00.001 #1 rests: delay due 2026-01-05T11:00:00.001Z
    01-05 11:00:00.002 #1 timer fired: delay, due 2026-01-05T11:00:00.001Z
    01-05 11:00:00.002 #1 rest -> wait
    01-05 11:00:00.002 #1 rests
    01-05 11:00:00.002 event seen
    01-05 11:00:00.002 #1 wait -> end (branch 1)
    01-05 11:00:00.002 #1 ended: completed
    ");
}

const AT_AND_AFTER: &str = r#"
journey: at
entry: [{ event: start }]
steps:
  wait:
    wait_until:
      - { at: timestamp(entry.properties.day), next: end }
      - { after: 1h, window: { zone: UTC, days: [tue], hours: "12:00-13:00" }, next: end }
"#;

#[test]
fn an_after_branch_moves_into_its_window() {
    let script = "event start day=2026-03-01T00:00:00Z \n advance 3d";
    assert_snapshot!(run(AT_AND_AFTER, script), @r#"
    01-05 09:00 event start day="2026-03-01T00:00:00Z"
    01-05 09:00 #1 entered at v1 at wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-06T12:00:00Z, branch 0 due 2026-03-01T00:00:00Z
    01-06 12:00:00.001 #1 timer fired: branch 1, due 2026-01-06T12:00:00Z
    01-06 12:00:00.001 #1 wait -> end (branch 1)
    01-06 12:00:00.001 #1 ended: completed
    "#);
}

#[test]
fn an_instant_already_past_takes_its_branch_at_once() {
    assert_snapshot!(run(AT_AND_AFTER, "event start day=2026-01-01T00:00:00Z"), @r#"
    01-05 09:00 event start day="2026-01-01T00:00:00Z"
    01-05 09:00 #1 entered at v1 at wait
    01-05 09:00 #1 wait -> end (branch 0, already due at 2026-01-01T00:00:00Z)
    01-05 09:00 #1 ended: completed
    "#);
}

#[test]
fn an_instant_that_is_no_time_parks_the_instance() {
    assert_snapshot!(run(AT_AND_AFTER, "event start day=soon"), @r#"
    01-05 09:00 event start day="soon"
    01-05 09:00 #1 entered at v1 at wait
    01-05 09:00 #1 parked: `timestamp`: `soon` is not RFC 3339 such as 2026-01-05T09:00:00Z
    "#);
}

#[test]
fn nobody_waits_for_more_than_ten_years() {
    assert_snapshot!(run(AT_AND_AFTER, "event start day=2036-03-01T00:00:00Z"), @r#"
    01-05 09:00 event start day="2036-03-01T00:00:00Z"
    01-05 09:00 #1 entered at v1 at wait
    01-05 09:00 #1 parked: due at 2036-03-01T00:00:00Z, which is more than 10 years ahead
    "#);
}

const OTHER_JOURNEY: &str = r#"
journey: first
entry: [{ event: start }]
steps:
  wait: { wait_until: [{ event: go, next: end }] }
---
journey: second
entry: [{ event: start }]
steps:
  wait:
    wait_until:
      - { when: 'journeys.outcome("first") == "completed" && journeys.active("first") == 0', next: end }
"#;

#[test]
fn a_wait_can_watch_another_journey() {
    assert_snapshot!(run(OTHER_JOURNEY, "event start \n event go"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered first v1 at wait
    01-05 09:00 #2 entered second v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 #2 rests
    01-05 09:00 event go
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    01-05 09:00 #2 wait -> end (branch 0)
    01-05 09:00 #2 ended: completed
    ");
}

const EVENT_FIRST: &str = r#"
journey: tie
entry: [{ event: start }]
steps:
  wait: { wait_until: [{ event: ping, next: pinged }, { after: 1h, next: timed_out }] }
  pinged: { update: { traits.way: "'pinged'" } }
  timed_out: { update: { traits.way: "'timed_out'" } }
"#;

#[test]
fn an_event_at_the_very_instant_of_a_timer_comes_first() {
    use crate::{Command, IngestMode};
    use journey_types::TimeSpan;
    let mut world = super::script::World::new(EVENT_FIRST);
    world.script("event start");
    // The script would fire the timer on the way: here the event is stamped at the due instant itself.
    world.now = world.now.plus(TimeSpan::from_hours(1));
    world.command(&Command::FireTimers);
    let event = world.new_event("ping");
    let mode = IngestMode::Live;
    world.command(&Command::ingest(event, mode));
    world.script("advance 1h");
    assert_snapshot!(world.journal(), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered tie v1 at wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-05T10:00:00Z
    01-05 10:00 event ping
    01-05 10:00 #1 wait -> pinged (branch 0)
    01-05 10:00 trait way = "pinged"
    01-05 10:00 #1 pinged -> end
    01-05 10:00 #1 ended: completed
    "#);
}
