//! Exits and goals.

use insta::assert_snapshot;

use super::run;

const GOALS: &str = r#"
journey: goals
entry: [{ event: start }]
goals:
  - { id: seen, event: seen }
  - { id: bought, event: bought, where: event.properties.value > 10, within: 1d }
  - { id: done, event: done, exit: true }
exit:
  - { event: left, reason: left_us }
  - { event: done, where: event.properties.angry == true, reason: angry }
  - { when: customer.traits.?blocked.orValue(false), reason: blocked }
steps:
  wait: { wait_until: [{ event: next, next: end }, { event: seen, next: more }] }
  more: { delay: 10d }
"#;

#[test]
fn a_goal_counts_once_and_moves_nothing_without_exit() {
    let script =
        "event start \n event bought value=5 \n event bought value=11 \n event bought value=12";
    assert_snapshot!(run(GOALS, script), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered goals v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event bought value=5
    01-05 09:00 event bought value=11
    01-05 09:00 #1 reached goal bought
    01-05 09:00 event bought value=12
    ");
}

#[test]
fn a_goal_with_exit_completes_the_instance() {
    assert_snapshot!(run(GOALS, "event start \n event done"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered goals v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event done
    01-05 09:00 #1 reached goal done
    01-05 09:00 #1 ended: completed by goal done
    01-05 09:00 -- condition of done: no field `angry` in `event.properties`
    ");
}

#[test]
fn when_exit_and_goal_fall_on_one_event_the_goal_counts_and_the_state_is_exited() {
    assert_snapshot!(run(GOALS, "event start \n event done angry=true"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered goals v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event done angry=true
    01-05 09:00 #1 reached goal done
    01-05 09:00 #1 ended: exited:angry
    ");
}

#[test]
fn an_event_can_reach_a_goal_and_move_the_wait() {
    assert_snapshot!(run(GOALS, "event start \n event seen"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered goals v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event seen
    01-05 09:00 #1 reached goal seen
    01-05 09:00 #1 wait -> more (branch 1)
    01-05 09:00 #1 rests: delay due 2026-01-15T09:00:00Z
    ");
}

#[test]
fn a_goal_with_a_deadline_counts_after_the_end_until_then() {
    let script = "
        event start
        event left
        advance 23h
        event bought value=11
        event bought value=11
        event start
        event left
        advance 25h
        event bought value=11
        event seen";
    assert_snapshot!(run(GOALS, script), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered goals v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event left
    01-05 09:00 #1 ended: exited:left_us
    01-06 08:00 event bought value=11
    01-06 08:00 #1 reached goal bought
    01-06 08:00 event bought value=11
    01-06 08:00 event start
    01-06 08:00 #2 entered goals v1 at wait
    01-06 08:00 #2 rests
    01-06 08:00 event left
    01-06 08:00 #2 ended: exited:left_us
    01-07 09:00 event bought value=11
    01-07 09:00 event seen
    ");
}

#[test]
fn a_condition_ends_an_instance_at_any_step() {
    let script = "event start \n event seen \n event identify blocked=true \n advance 11d";
    assert_snapshot!(run(GOALS, script), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered goals v1 at wait
    01-05 09:00 #1 rests
    01-05 09:00 event seen
    01-05 09:00 #1 reached goal seen
    01-05 09:00 #1 wait -> more (branch 1)
    01-05 09:00 #1 rests: delay due 2026-01-15T09:00:00Z
    01-05 09:00 event identify blocked=true
    01-05 09:00 trait blocked = true
    01-05 09:00 #1 ended: exited:blocked
    ");
}

const WINDOWED_EXIT: &str = r#"
journey: quiet
entry: [{ event: start }]
exit: [{ when: 'history.absent("start", "2d")', reason: gone_quiet }]
steps:
  rest: { delay: 10d }
"#;

#[test]
fn a_windowed_exit_wakes_by_itself() {
    let script = "event start \n advance 1d \n event start \n advance 9d";
    assert_snapshot!(run(WINDOWED_EXIT, script), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered quiet v1 at rest
    01-05 09:00 #1 rests: recheck due 2026-01-07T09:00:00Z, delay due 2026-01-15T09:00:00Z
    01-06 09:00 event start
    01-06 09:00 entry into quiet v1 refused: conflict
    01-07 09:00:00.001 #1 rests: recheck due 2026-01-08T09:00:00Z, delay due 2026-01-15T09:00:00Z
    01-08 09:00:00.001 #1 timer fired: recheck, due 2026-01-08T09:00:00Z
    01-08 09:00:00.001 #1 ended: exited:gone_quiet
    ");
}
