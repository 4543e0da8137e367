//! `update`, `emit`, `split`, `delay`, `only_if`, `timeout`, `on_error`.

use insta::assert_snapshot;

use super::run;

#[test]
fn an_update_writes_all_of_its_places_from_what_held_before() {
    let yaml = r#"
journey: update
entry: [{ event: start }]
steps:
  first: { update: { vars.x: 1, traits.old: "'yes'", lifecycle: "'active'" }, next: second }
  second: { update: { vars.x: vars.x + 1, vars.y: vars.x, traits.old: null, traits.n: vars.x * 2.5 }, next: third }
  third: { update: { vars.x: 2, lifecycle: null }, next: rest }
  rest: { delay: 1h }
"#;
    assert_snapshot!(run(yaml, "event start"), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered update v1 at first
    01-05 09:00 #1 var x = 1
    01-05 09:00 trait old = "yes"
    01-05 09:00 lifecycle = active
    01-05 09:00 #1 first -> second
    01-05 09:00 #1 var x = 2
    01-05 09:00 #1 var y = 1
    01-05 09:00 trait old removed
    01-05 09:00 trait n = 2.5
    01-05 09:00 #1 second -> third
    01-05 09:00 lifecycle = none
    01-05 09:00 #1 third -> rest
    01-05 09:00 #1 rests: delay due 2026-01-05T10:00:00Z
    "#);
}

#[test]
fn an_update_that_fails_writes_nothing_and_parks() {
    let yaml = r#"
journey: update
entry: [{ event: start }]
goals: [{ id: helped, event: helped, exit: true }]
steps:
  first: { update: { traits.a: 1, traits.b: vars.missing } }
"#;
    assert_snapshot!(run(yaml, "event start \n advance 1d \n event helped"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered update v1 at first
    01-05 09:00 #1 parked: no field `missing` in `vars`
    01-06 09:00 event helped
    01-06 09:00 #1 reached goal helped
    01-06 09:00 #1 ended: completed by goal helped
    ");
}

#[test]
fn on_error_catches_a_failure() {
    let yaml = r#"
journey: update
entry: [{ event: start }]
steps:
  first: { split: [{ when: customer.traits.age > 18, next: end }, { else: end }], on_error: second }
  second: { update: { lifecycle: size(customer.id) }, on_error: third }
  third: { update: { traits.ok: true } }
"#;
    assert_snapshot!(run(yaml, "event start"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered update v1 at first
    01-05 09:00 #1 first -> second (failed: no field `age` in `customer.traits`)
    01-05 09:00 #1 second -> third (failed: lifecycle is a text or null, not int)
    01-05 09:00 trait ok = true
    01-05 09:00 #1 third -> end
    01-05 09:00 #1 ended: completed
    ");
}

#[test]
fn an_emitted_event_enters_and_moves_in_the_same_turn() {
    let yaml = r#"
journey: a_sender
entry: [{ event: start }]
steps:
  wait: { wait_until: [{ event: answer, next: end }] }
---
journey: b_caller
entry: [{ event: start }]
steps:
  call: { emit: { event: question, properties: { n: 40 + 2, who: customer.id } } }
---
journey: c_answerer
entry: [{ event: question, where: event.properties.n == 42 }]
steps:
  answer: { emit: { event: answer } }
"#;
    assert_snapshot!(run(yaml, "event start"), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered a_sender v1 at wait
    01-05 09:00 #2 entered b_caller v1 at call
    01-05 09:00 #1 rests
    01-05 09:00 #2 call -> end
    01-05 09:00 #2 ended: completed
    01-05 09:00 event question n=42 who="anna" (raised by #2)
    01-05 09:00 #3 entered c_answerer v1 at answer
    01-05 09:00 #3 answer -> end
    01-05 09:00 #3 ended: completed
    01-05 09:00 event answer (raised by #3)
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    "#);
}

#[test]
fn a_timeout_leaves_a_step_that_rests() {
    let yaml = r#"
journey: timeout
entry: [{ event: start }]
steps:
  wait: { wait_until: [{ event: never, next: end }], timeout: { after: 2h, next: other } }
  other: { delay: 1d, timeout: { after: 1h, next: last } }
  last: { delay: 1h, timeout: { after: 1d, next: end } }
"#;
    assert_snapshot!(run(yaml, "event start \n advance 2d"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered timeout v1 at wait
    01-05 09:00 #1 rests: timeout due 2026-01-05T11:00:00Z
    01-05 11:00:00.001 #1 timer fired: timeout, due 2026-01-05T11:00:00Z
    01-05 11:00:00.001 #1 wait -> other (timeout)
    01-05 11:00:00.001 #1 rests: timeout due 2026-01-05T12:00:00.001Z, delay due 2026-01-06T11:00:00.001Z
    01-05 12:00:00.002 #1 timer fired: timeout, due 2026-01-05T12:00:00.001Z
    01-05 12:00:00.002 #1 other -> last (timeout)
    01-05 12:00:00.002 #1 rests: delay due 2026-01-05T13:00:00.002Z, timeout due 2026-01-06T12:00:00.002Z
    01-05 13:00:00.003 #1 timer fired: delay, due 2026-01-05T13:00:00.002Z
    01-05 13:00:00.003 #1 last -> end
    01-05 13:00:00.003 #1 ended: completed
    ");
}

#[test]
fn a_step_whose_only_if_is_false_is_recorded_as_skipped() {
    let yaml = r#"
journey: skip
entry: [{ event: start }]
steps:
  first: { only_if: customer.traits.age > 18, emit: { event: adult }, next: second }
  second: { only_if: instance.step == 'second', emit: { event: arrived } }
"#;
    assert_snapshot!(run(yaml, "event start"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered skip v1 at first
    01-05 09:00 #1 first -> second (skipped)
    01-05 09:00 #1 second -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 event arrived (raised by #1)
    01-05 09:00 -- condition of first: no field `age` in `customer.traits`
    ");
}
