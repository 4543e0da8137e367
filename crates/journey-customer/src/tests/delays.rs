//! Forms of `delay`.

use insta::assert_snapshot;

use super::run;

#[test]
fn a_delay_ends_in_its_window() {
    let yaml = r#"
journey: window
entry: [{ event: start }]
steps:
  rest: { delay: { for: 2h, window: { zone: customer, days: [mon-fri], hours: "09:00-11:00" } } }
"#;
    // Two hours after nine is eleven, when Monday's window is closed already.
    assert_snapshot!(run(yaml, "event start \n advance 2d"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered window v1 at rest
    01-05 09:00 #1 rests: delay due 2026-01-06T09:00:00Z
    01-06 09:00:00.001 #1 timer fired: delay, due 2026-01-06T09:00:00Z
    01-06 09:00:00.001 #1 rest -> end
    01-06 09:00:00.001 #1 ended: completed
    ");
}

#[test]
fn late_timers_fire_in_due_order_and_what_follows_comes_in_between() {
    let yaml = r#"
journey: a_waits
entry: [{ event: start }]
steps:
  wait: { wait_until: [{ event: lapsed, next: by_event }, { after: 2h, next: by_timer }] }
  by_event: { update: { traits.way: "'event'" } }
  by_timer: { update: { traits.way: "'timer'" } }
---
journey: b_lapses
entry: [{ event: start }]
steps:
  rest: { delay: 1h, next: tell }
  tell: { emit: { event: lapsed } }
"#;
    let mut world = super::script::World::new(yaml);
    world.script("event start");
    world.now = world.now.plus(journey_types::TimeSpan::from_hours(5));
    world.command(&crate::Command::FireTimers);
    assert_snapshot!(world.journal(), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered a_waits v1 at wait
    01-05 09:00 #2 entered b_lapses v1 at rest
    01-05 09:00 #1 rests: branch 1 due 2026-01-05T11:00:00Z
    01-05 09:00 #2 rests: delay due 2026-01-05T10:00:00Z
    01-05 14:00 #2 timer fired: delay, due 2026-01-05T10:00:00Z
    01-05 14:00 #2 rest -> tell
    01-05 14:00 #2 tell -> end
    01-05 14:00 #2 ended: completed
    01-05 14:00 event lapsed (raised by #2)
    01-05 14:00 #1 wait -> by_event (branch 0)
    01-05 14:00 trait way = "event"
    01-05 14:00 #1 by_event -> end
    01-05 14:00 #1 ended: completed
    "#);
}
