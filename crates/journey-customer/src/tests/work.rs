//! Calls and tasks: from the step to the answer, and every way in which nobody waits for it any more.

use insta::assert_snapshot;

use super::run;

fn one_step(step: &str, script: &str) -> String {
    let yaml = format!(
        r"
journey: one
entry: [{{ event: start }}]
reentry: {{ concurrent: 9 }}
goals: [{{ id: bought, event: bought, exit: true }}]
exit: [{{ event: moved_house, reason: moved }}]
steps:
  ask: {{ {step}, next: after }}
  after: {{ update: {{ traits.score: 'has(vars.ask) ? vars.ask : null' }} }}
  late: {{ update: {{ traits.late: true }}, only_if: 'true' }}
  failed: {{ update: {{ traits.failed: true }} }}
"
    );
    // Every case leads to `late` and `failed`, or `check` would find them without a way.
    let yaml = match (
        step.contains("next: late"),
        step.contains("on_error: failed"),
    ) {
        (true, true) => yaml,
        (true, false) => yaml.replace("  failed: { update: { traits.failed: true } }\n", ""),
        (false, true) => yaml.replace(
            "  late: { update: { traits.late: true }, only_if: 'true' }\n",
            "",
        ),
        (false, false) => yaml
            .replace("  failed: { update: { traits.failed: true } }\n", "")
            .replace(
                "  late: { update: { traits.late: true }, only_if: 'true' }\n",
                "",
            ),
    };
    run(&yaml, script)
}

#[test]
fn the_answer_of_a_call_lands_in_vars_and_counts_once() {
    let script = "
        event start who=Anna
        claim push
        claim queue:risk
        ack
        done 7
        done 8
        claim";
    let step = "call: { worker: risk, input: { who: entry.properties.who, max: 9 } }";
    assert_snapshot!(one_step(step, script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to queue:risk max=9 who="Anna"
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 -- rejected: the effect cannot be claimed: it is gone
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 -- rejected: the effect is a call and cannot be sent; answer it with completed and its result, failed for now or failed for good
    01-05 09:00 effect 4 attempt 1 completed: 7
    01-05 09:00 #1 var ask = 7
    01-05 09:00 #1 ask -> after
    01-05 09:00 trait score = 7
    01-05 09:00 #1 after -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 -- settled before
    01-05 09:00 -- rejected: the effect cannot be claimed: it is gone
    "#);
}

#[test]
fn a_call_that_fails_for_good_goes_to_on_error_and_without_it_parks() {
    let script = "
        event start
        claim
        nack 5m
        advance 5m
        claim
        fail
        event moved_house";
    let caught = "call: { webhook: crm }, on_error: failed";
    assert_snapshot!(one_step(caught, script), @"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to webhook:crm
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:05 effect 4 claimed: attempt 2 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 4 attempt 2 failed for good: no such address
    01-05 09:05 #1 ask -> failed (failed: no such address)
    01-05 09:05 trait failed = true
    01-05 09:05 #1 failed -> end
    01-05 09:05 #1 ended: completed
    01-05 09:05 event moved_house
    ");
    assert_snapshot!(one_step("call: { webhook: crm }", script), @"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to webhook:crm
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:05 effect 4 claimed: attempt 2 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 4 attempt 2 failed for good: no such address
    01-05 09:05 #1 parked: no such address
    01-05 09:05 event moved_house
    01-05 09:05 #1 ended: exited:moved
    ");
}

#[test]
fn at_the_timeout_a_call_is_withdrawn_with_a_worker_or_without() {
    let step = "call: { worker: risk }, timeout: { after: 1h, next: late }";
    assert_snapshot!(one_step(step, "event start \n advance 2h \n claim"), @"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to queue:risk
    01-05 09:00 #1 rests: timeout due 2026-01-05T10:00:00Z, awaits effect 4
    01-05 10:00:00.001 #1 timer fired: timeout, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 effect 4 withdrawn: timed out
    01-05 10:00:00.001 #1 ask -> late (timeout)
    01-05 10:00:00.001 trait late = true
    01-05 10:00:00.001 #1 late -> end
    01-05 10:00:00.001 #1 ended: completed
    01-05 11:00 -- rejected: the effect cannot be claimed: it is gone
    ");
    let claimed = "event start \n advance 30m \n claim \n advance 45m \n done 7 \n claim";
    assert_snapshot!(one_step(step, claimed), @"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to queue:risk
    01-05 09:00 #1 rests: timeout due 2026-01-05T10:00:00Z, awaits effect 4
    01-05 09:30 effect 4 claimed: attempt 1 until 2026-01-05T09:31:00Z
    01-05 10:00:00.001 #1 timer fired: timeout, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 effect 4 withdrawn: timed out
    01-05 10:00:00.001 #1 ask -> late (timeout)
    01-05 10:00:00.001 trait late = true
    01-05 10:00:00.001 #1 late -> end
    01-05 10:00:00.001 #1 ended: completed
    01-05 10:15 -- settled before
    01-05 10:15 -- rejected: the effect cannot be claimed: it is gone
    ");
}

#[test]
fn exits_and_goals_end_the_wait_for_an_answer() {
    let script = "event start \n event moved_house \n event start \n claim \n event bought \n done 7 \n claim";
    assert_snapshot!(one_step("call: { worker: risk }", script), @"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to queue:risk
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 event moved_house
    01-05 09:00 effect 4 withdrawn: its instance ended
    01-05 09:00 #1 ended: exited:moved
    01-05 09:00 event start
    01-05 09:00 #2 entered one v1 at ask
    01-05 09:00 #2 call at ask goes to queue:risk
    01-05 09:00 #2 rests: awaits effect 11
    01-05 09:00 effect 11 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 event bought
    01-05 09:00 #2 reached goal bought
    01-05 09:00 effect 11 withdrawn: its instance ended
    01-05 09:00 #2 ended: completed by goal bought
    01-05 09:00 -- settled before
    01-05 09:00 -- rejected: the effect cannot be claimed: it is gone
    ");
}

#[test]
fn a_task_beyond_its_sla_is_offered_to_others_and_whoever_is_done_first_counts() {
    let step =
        "task: { queue: care, sla: 4h, escalate: leads, input: { who: entry.properties.who } }";
    let script = "
        event start who=Anna
        claim queue:care
        advance 4h
        fail
        claim queue:care
        claim queue:leads
        done yes";
    assert_snapshot!(one_step(step, script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 task at ask goes to queue:care who="Anna"
    01-05 09:00 #1 rests: sla due 2026-01-05T13:00:00Z, awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 13:00:00.001 #1 timer fired: sla, due 2026-01-05T13:00:00Z
    01-05 13:00:00.001 #1 task 4 overdue since 2026-01-05T13:00:00Z, escalated to queue:leads
    01-05 13:00:00.001 -- settled before
    01-05 13:00:00.001 -- rejected: the effect cannot be claimed: it is gone
    01-05 13:00:00.001 effect 4 claimed: attempt 2 until 2026-01-05T13:01:00.001Z
    01-05 13:00:00.001 effect 4 attempt 2 completed: "yes"
    01-05 13:00:00.001 #1 var ask = "yes"
    01-05 13:00:00.001 #1 ask -> after
    01-05 13:00:00.001 trait score = "yes"
    01-05 13:00:00.001 #1 after -> end
    01-05 13:00:00.001 #1 ended: completed
    "#);
}

#[test]
fn a_task_without_escalate_stays_where_it_is_and_the_delay_is_recorded() {
    let script = "event start \n advance 5h \n claim queue:care \n done yes";
    assert_snapshot!(one_step("task: { queue: care, sla: 4h }", script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 task at ask goes to queue:care
    01-05 09:00 #1 rests: sla due 2026-01-05T13:00:00Z, awaits effect 4
    01-05 13:00:00.001 #1 timer fired: sla, due 2026-01-05T13:00:00Z
    01-05 13:00:00.001 #1 task 4 overdue since 2026-01-05T13:00:00Z
    01-05 14:00 effect 4 claimed: attempt 1 until 2026-01-05T14:01:00Z
    01-05 14:00 effect 4 attempt 1 completed: "yes"
    01-05 14:00 #1 var ask = "yes"
    01-05 14:00 #1 ask -> after
    01-05 14:00 trait score = "yes"
    01-05 14:00 #1 after -> end
    01-05 14:00 #1 ended: completed
    "#);
}

#[test]
fn calls_of_one_customer_do_not_wait_for_one_another() {
    let script =
        "event start \n event start \n claim queue:risk \n claim-next queue:risk \n done 1";
    assert_snapshot!(one_step("call: { worker: risk }", script), @"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to queue:risk
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 event start
    01-05 09:00 #2 entered one v1 at ask
    01-05 09:00 #2 call at ask goes to queue:risk
    01-05 09:00 #2 rests: awaits effect 8
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 8 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 8 attempt 1 completed: 1
    01-05 09:00 #2 var ask = 1
    01-05 09:00 #2 ask -> after
    01-05 09:00 trait score = 1
    01-05 09:00 #2 after -> end
    01-05 09:00 #2 ended: completed
    ");
}

#[test]
fn what_does_not_fit_into_vars_or_input_fails_the_step_with_its_size() {
    let large = "x".repeat(17_000);
    let script = format!("event start \n claim \n done {large}");
    let journal = one_step("call: { worker: risk }, on_error: failed", &script);
    let journal = journal.replace(&large, "xxx");
    assert_snapshot!(journal, @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 call at ask goes to queue:risk
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 completed: "xxx"
    01-05 09:00 #1 ask -> failed (failed: vars_too_large: with the answer vars would take 17010 bytes, at most 16384 are allowed; let the worker answer less)
    01-05 09:00 trait failed = true
    01-05 09:00 #1 failed -> end
    01-05 09:00 #1 ended: completed
    "#);
    let half = "y".repeat(17_000);
    let script = format!("event start a={half} \n claim");
    let step = "call: { worker: risk, input: { a: entry.properties.a, b: entry.properties.a } }, on_error: failed";
    let journal = one_step(step, &script).replace(&half, "yyy");
    assert_snapshot!(journal, @r#"
    01-05 09:00 event start a="yyy"
    01-05 09:00 #1 entered one v1 at ask
    01-05 09:00 #1 ask -> failed (failed: input_too_large: it takes 34016 bytes, at most 32768 are allowed)
    01-05 09:00 trait failed = true
    01-05 09:00 #1 failed -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 -- rejected: the effect cannot be claimed: it is gone
    "#);
}

#[test]
fn a_message_that_nobody_took_by_its_timeout_is_withdrawn_when_it_is_claimed() {
    let yaml = "
journey: one
entry: [{ event: start }]
steps:
  say: { message: { content: note, channels: [push], await: sent }, timeout: { after: 1h, next: late } }
  late: { wait_until: [ { event: message_failed, next: end }, { after: 9d, next: end } ] }
---
content: note
variants: [ { channel: push, body: Hi } ]
";
    assert_snapshot!(run(yaml, "event start \n advance 1h \n claim \n advance 1m \n claim"), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: timeout due 2026-01-05T10:00:00Z, awaits effect 4
    01-05 10:00:00.001 #1 timer fired: timeout, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #1 say -> late (timeout)
    01-05 10:00:00.001 #1 rests: branch 1 due 2026-01-14T10:00:00.001Z
    01-05 10:00:00.001 effect 4 withdrawn: expired
    01-05 10:00:00.001 event message_failed channels=["push"] content="note" journey="one" reason="expired" step="say" version=1 (raised by #1)
    01-05 10:00:00.001 #1 late -> end (branch 0)
    01-05 10:00:00.001 #1 ended: completed
    01-05 10:01:00.001 -- rejected: the effect cannot be claimed: it is gone
    "#);
}
