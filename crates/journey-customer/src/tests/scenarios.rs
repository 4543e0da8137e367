//! The scenarios of JOURNEYS section 13 (five of them without `while_qualified`, which is not delivered).

use insta::assert_snapshot;

use super::run;

const WAIT_WITH_TIMEOUT: &str = r#"
journey: verify
entry: [{ event: signed_up }]
steps:
  wait:
    wait_until:
      - { when: customer.traits.?verified.orValue(false), next: welcome }
      - { after: 2d, next: remind }
  welcome: { message: { content: hello, channels: [push] } }
  remind: { message: { content: hello, channels: [email] } }
---
content: hello
variants:
  - { channel: push, body: "Hello" }
  - { channel: email, subject: "Hello", body: "Hello" }
"#;

#[test]
fn a_condition_that_never_comes_ends_in_the_timeout_branch() {
    assert_snapshot!(run(WAIT_WITH_TIMEOUT, "event signed_up \n advance 3d"), @r"
    01-05 09:00 event signed_up
    01-05 09:00 #1 entered verify v1 at wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-07T09:00:00Z
    01-07 09:00:00.001 #1 timer fired: branch 1, due 2026-01-07T09:00:00Z
    01-07 09:00:00.001 #1 wait -> remind (branch 1)
    01-07 09:00:00.001 #1 message hello granted on email: purpose service; channel email is first available
    01-07 09:00:00.001 #1 remind -> end
    01-07 09:00:00.001 #1 ended: completed
    ");
}

#[test]
fn a_condition_that_was_true_before_takes_its_branch_at_once() {
    let script = "event identify verified=true \n event signed_up \n advance 3d";
    assert_snapshot!(run(WAIT_WITH_TIMEOUT, script), @r"
    01-05 09:00 event identify verified=true
    01-05 09:00 trait verified = true
    01-05 09:00 event signed_up
    01-05 09:00 #1 entered verify v1 at wait
    01-05 09:00 #1 wait -> welcome (branch 0)
    01-05 09:00 #1 message hello granted on push: purpose service; channel push is first available
    01-05 09:00 #1 welcome -> end
    01-05 09:00 #1 ended: completed
    ");
}

#[test]
fn a_condition_that_becomes_true_disarms_the_timer() {
    let script = "event signed_up \n advance 1d \n event identify verified=true \n advance 3d";
    assert_snapshot!(run(WAIT_WITH_TIMEOUT, script), @r"
    01-05 09:00 event signed_up
    01-05 09:00 #1 entered verify v1 at wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-07T09:00:00Z
    01-06 09:00 event identify verified=true
    01-06 09:00 trait verified = true
    01-06 09:00 #1 wait -> welcome (branch 0)
    01-06 09:00 #1 message hello granted on push: purpose service; channel push is first available
    01-06 09:00 #1 welcome -> end
    01-06 09:00 #1 ended: completed
    ");
}

const APPOINTMENTS: &str = r#"
journey: appointment
entry: [{ event: appointment_booked }]
key: event.properties.appointment
steps:
  wait:
    wait_until:
      - { event: appointment_cancelled, match_key: true, next: cancelled }
      - { at: timestamp(entry.properties.day) - span("1d"), next: reminder }
  reminder: { message: { content: note, channels: [sms] } }
  cancelled: { message: { content: note, channels: [sms] } }
---
content: note
variants: [{ channel: sms, body: "{{ instance.step }} {{ instance.key }}" }]
"#;

#[test]
fn of_two_appointments_only_the_cancelled_one_is_called_off() {
    let script = "
        event appointment_booked appointment=a1 day=2026-01-10T10:00:00Z
        event appointment_booked appointment=a2 day=2026-01-12T10:00:00Z
        advance 1h
        event appointment_cancelled appointment=a1
        advance 14d";
    assert_snapshot!(run(APPOINTMENTS, script), @r#"
    01-05 09:00 event appointment_booked appointment="a1" day="2026-01-10T10:00:00Z"
    01-05 09:00 #1 entered appointment v1 [a1] at wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-09T10:00:00Z
    01-05 09:00 event appointment_booked appointment="a2" day="2026-01-12T10:00:00Z"
    01-05 09:00 #2 entered appointment v1 [a2] at wait
    01-05 09:00 #2 rests: branch 1 due 2026-01-11T10:00:00Z
    01-05 10:00 event appointment_cancelled appointment="a1"
    01-05 10:00 #1 wait -> cancelled (branch 0)
    01-05 10:00 #1 message note granted on sms: purpose service; channel sms is first available
    01-05 10:00 #1 cancelled -> end
    01-05 10:00 #1 ended: completed
    01-11 10:00:00.001 #2 timer fired: branch 1, due 2026-01-11T10:00:00Z
    01-11 10:00:00.001 #2 wait -> reminder (branch 1)
    01-11 10:00:00.001 #2 message note granted on sms: purpose service; channel sms is first available
    01-11 10:00:00.001 #2 reminder -> end
    01-11 10:00:00.001 #2 ended: completed
    "#);
}

#[test]
fn the_same_keyed_event_twice_is_one_instance() {
    let script = "event appointment_booked appointment=42 day=2026-01-05T12:00:00Z \n again";
    assert_snapshot!(run(APPOINTMENTS, script), @r#"
    01-05 09:00 event appointment_booked appointment=42 day="2026-01-05T12:00:00Z"
    01-05 09:00 #1 entered appointment v1 [42] at wait
    01-05 09:00 #1 wait -> reminder (branch 1, already due at 2026-01-04T12:00:00Z)
    01-05 09:00 #1 message note granted on sms: purpose service; channel sms is first available
    01-05 09:00 #1 reminder -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 -- duplicate
    "#);
}

const LOCAL_NINE: &str = r#"
journey: morning
zone: Europe/London
entry: [{ event: signed_up }]
reentry: { concurrent: 5 }
steps:
  wait: { delay: { until_local: "09:00", zone: customer } }
"#;

#[test]
fn nine_in_the_morning_is_right_across_a_change_of_the_clocks() {
    // Clocks in London go forward on 29 March 2026, in New York on 8 March.
    let script = "
        day 2026-03-28
        12:00 event signed_up
        day 2026-03-29
        12:00 event identify zone=America/New_York
        event signed_up
        day 2026-03-31";
    assert_snapshot!(run(LOCAL_NINE, script), @r#"
    03-28 12:00 event signed_up
    03-28 12:00 #1 entered morning v1 at wait
    03-28 12:00 #1 rests: delay due 2026-03-29T08:00:00Z
    03-29 08:00:00.001 #1 timer fired: delay, due 2026-03-29T08:00:00Z
    03-29 08:00:00.001 #1 wait -> end
    03-29 08:00:00.001 #1 ended: completed
    03-29 12:00 event identify zone="America/New_York"
    03-29 12:00 trait zone = "America/New_York"
    03-29 12:00 event signed_up
    03-29 12:00 #2 entered morning v1 at wait
    03-29 12:00 #2 rests: delay due 2026-03-29T13:00:00Z
    03-29 13:00:00.001 #2 timer fired: delay, due 2026-03-29T13:00:00Z
    03-29 13:00:00.001 #2 wait -> end
    03-29 13:00:00.001 #2 ended: completed
    "#);
}

const REENTRY: &str = r#"
journey: greet
entry: [{ event: signed_up }]
reentry: { again: AGAIN }
steps:
  wait: { delay: 1h }
"#;

#[test]
fn always_runs_twice() {
    let yaml = REENTRY.replace("AGAIN", "always");
    let script = "event signed_up \n advance 2h \n event signed_up \n advance 2h";
    assert_snapshot!(run(&yaml, script), @r"
    01-05 09:00 event signed_up
    01-05 09:00 #1 entered greet v1 at wait
    01-05 09:00 #1 rests: delay due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #1 timer fired: delay, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #1 wait -> end
    01-05 10:00:00.001 #1 ended: completed
    01-05 11:00 event signed_up
    01-05 11:00 #2 entered greet v1 at wait
    01-05 11:00 #2 rests: delay due 2026-01-05T12:00:00Z
    01-05 12:00:00.001 #2 timer fired: delay, due 2026-01-05T12:00:00Z
    01-05 12:00:00.001 #2 wait -> end
    01-05 12:00:00.001 #2 ended: completed
    ");
}

#[test]
fn never_runs_once() {
    let yaml = REENTRY.replace("AGAIN", "never");
    let script = "event signed_up \n advance 2h \n event signed_up \n advance 2h";
    assert_snapshot!(run(&yaml, script), @r"
    01-05 09:00 event signed_up
    01-05 09:00 #1 entered greet v1 at wait
    01-05 09:00 #1 rests: delay due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #1 timer fired: delay, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #1 wait -> end
    01-05 10:00:00.001 #1 ended: completed
    01-05 11:00 event signed_up
    01-05 11:00 entry into greet v1 refused: reentry_never
    ");
}

const PAST_DATES: &str = r#"
journey: dates
entry: [{ event: booked }]
steps:
  a: { delay: 45s, next: b }
  b: { delay: 30m, next: c }
  c: { delay: 1.5h, next: d }
  d: { delay: 2d, next: e }
  e: { delay: 1w, next: past }
  past: { delay: { until: timestamp(entry.properties.day), offset: -1d }, next: end }
"#;

#[test]
fn every_unit_is_waited_out_and_a_past_date_goes_on_at_once_and_says_so() {
    let script = "event booked day=2026-01-10T00:00:00Z \n advance 30d";
    assert_snapshot!(run(PAST_DATES, script), @r#"
    01-05 09:00 event booked day="2026-01-10T00:00:00Z"
    01-05 09:00 #1 entered dates v1 at a
    01-05 09:00 #1 rests: delay due 2026-01-05T09:00:45Z
    01-05 09:00:45.001 #1 timer fired: delay, due 2026-01-05T09:00:45Z
    01-05 09:00:45.001 #1 a -> b
    01-05 09:00:45.001 #1 rests: delay due 2026-01-05T09:30:45.001Z
    01-05 09:30:45.002 #1 timer fired: delay, due 2026-01-05T09:30:45.001Z
    01-05 09:30:45.002 #1 b -> c
    01-05 09:30:45.002 #1 rests: delay due 2026-01-05T11:00:45.002Z
    01-05 11:00:45.003 #1 timer fired: delay, due 2026-01-05T11:00:45.002Z
    01-05 11:00:45.003 #1 c -> d
    01-05 11:00:45.003 #1 rests: delay due 2026-01-07T11:00:45.003Z
    01-07 11:00:45.004 #1 timer fired: delay, due 2026-01-07T11:00:45.003Z
    01-07 11:00:45.004 #1 d -> e
    01-07 11:00:45.004 #1 rests: delay due 2026-01-14T11:00:45.004Z
    01-14 11:00:45.005 #1 timer fired: delay, due 2026-01-14T11:00:45.004Z
    01-14 11:00:45.005 #1 e -> past
    01-14 11:00:45.005 #1 past -> end (already due at 2026-01-09T00:00:00Z)
    01-14 11:00:45.005 #1 ended: completed
    "#);
}

const BRANCHES: &str = r#"
journey: branches
entry: [{ event: signed_up }]
steps:
  choose:
    split:
      - { when: customer.traits.?plan.orValue('') == 'gold' && customer.traits.?age.orValue(0) >= 18, next: gold }
      - { when: "history.count('purchase', '30d', 'event.properties.sku == \"hat\"') > 0", next: hat }
      - { else: other }
  gold: { update: { traits.way: "'gold'" } }
  hat: { update: { traits.way: "'hat'" } }
  other: { only_if: false, update: { traits.way: "'other'" } }
"#;

#[test]
fn the_first_branch_that_holds_is_taken() {
    let script = "
        event identify plan=gold age=17
        event signed_up
        event purchase sku=cap
        event purchase sku=hat
        event signed_up
        event identify age=18
        event signed_up";
    assert_snapshot!(run(BRANCHES, script), @r#"
    01-05 09:00 event identify age=17 plan="gold"
    01-05 09:00 trait age = 17
    01-05 09:00 trait plan = "gold"
    01-05 09:00 event signed_up
    01-05 09:00 #1 entered branches v1 at choose
    01-05 09:00 #1 choose -> other (branch 2)
    01-05 09:00 #1 other -> end (skipped)
    01-05 09:00 #1 ended: completed
    01-05 09:00 event purchase sku="cap"
    01-05 09:00 event purchase sku="hat"
    01-05 09:00 event signed_up
    01-05 09:00 #2 entered branches v1 at choose
    01-05 09:00 #2 choose -> hat (branch 1)
    01-05 09:00 trait way = "hat"
    01-05 09:00 #2 hat -> end
    01-05 09:00 #2 ended: completed
    01-05 09:00 event identify age=18
    01-05 09:00 trait age = 18
    01-05 09:00 event signed_up
    01-05 09:00 #3 entered branches v1 at choose
    01-05 09:00 #3 choose -> gold (branch 0)
    01-05 09:00 trait way = "gold"
    01-05 09:00 #3 gold -> end
    01-05 09:00 #3 ended: completed
    "#);
}
