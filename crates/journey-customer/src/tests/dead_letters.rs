//! Effects whose retry budget is used up, and commands that panicked: set aside, replayed, discarded, expired.

use insta::assert_snapshot;

use super::run;
use super::script::World;

const JOURNEY: &str = r#"
journey: one
entry: [{ event: start }]
reentry: { concurrent: 9 }
steps:
  say: { message: { content: note, channels: [push, email], await: sent }, on_error: failed, next: after }
  after: { delay: 30d }
  failed: { update: { traits.failed: true } }
---
content: note
variants:
  - { channel: push, body: "Hi" }
  - { channel: email, subject: "Hi", body: "Hi" }
"#;

#[test]
fn a_spent_budget_makes_a_dead_letter_and_the_next_channel_is_tried() {
    let script = "
        budget 2
        event start
        claim
        nack 5m
        advance 5m
        claim
        nack 5m
        claim
        ack";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:05 effect 4 claimed: attempt 2 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 4 attempt 2 failed for now, again at 2026-01-05T09:10:00Z: busy
    01-05 09:05 effect 4 became a dead letter: busy
    01-05 09:05 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:05 #1 rests: awaits effect 11
    01-05 09:05 effect 11 claimed: attempt 1 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 11 attempt 1 sent
    01-05 09:05 #1 say -> after
    01-05 09:05 #1 rests: delay due 2026-02-04T09:05:00Z
    "#);
}

#[test]
fn what_comes_back_unbegun_takes_nothing_of_the_budget() {
    let script = "
        budget 2
        event start
        claim
        return
        claim
        return
        claim
        nack 5m
        advance 5m
        claim
        nack 5m";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 returned
    01-05 09:00 effect 4 claimed: attempt 2 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 2 returned
    01-05 09:00 effect 4 claimed: attempt 3 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 3 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:05 effect 4 claimed: attempt 4 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 4 attempt 4 failed for now, again at 2026-01-05T09:10:00Z: busy
    01-05 09:05 effect 4 became a dead letter: busy
    01-05 09:05 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:05 #1 rests: awaits effect 15
    "#);
}

#[test]
fn what_came_back_waits_for_its_pause_and_did_not_fail() {
    let script = "
        event start
        claim
        return 5m
        claim
        fail
        advance 5m
        claim
        ack";
    assert_snapshot!(run(JOURNEY, script), @"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 returned, again at 2026-01-05T09:05:00Z
    01-05 09:00 -- rejected: the effect cannot be claimed: it waits for its retry
    01-05 09:00 -- settled before
    01-05 09:05 effect 4 claimed: attempt 2 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 4 attempt 2 sent
    01-05 09:05 #1 say -> after
    01-05 09:05 #1 rests: delay due 2026-02-04T09:05:00Z
    ");
}

#[test]
fn of_returns_in_a_row_the_newest_attempt_and_every_doubling_in_the_timeline_are_kept() {
    let mut world = World::new(JOURNEY);
    world.script("event start \n claim \n nack 1s \n advance 1s");
    for _ in 0..100 {
        world.script("claim \n return 5m \n advance 5m");
    }
    world.script("claim \n nack 1s");
    let row = world.state.outbox.values().next().unwrap();
    let attempts = row.attempts.iter();
    let attempts: Vec<_> = attempts
        .map(|one| (one.number, one.failure.as_deref().unwrap()))
        .collect();
    let returned = "returned unbegun, 100 times in a row";
    assert_eq!(attempts, [(1, "busy"), (101, returned), (102, "busy")]);
    assert_eq!((row.n_attempts(), row.returned_in_a_row), (2, 0));
    let lines = world
        .state
        .timeline
        .iter()
        .filter(|line| line.text.contains("returned"));
    assert_eq!(
        lines.count(),
        7,
        "the 1st, 2nd, 4th and so on up to the 64th"
    );
}

#[test]
fn after_the_last_channel_the_step_fails_and_a_replay_does_not_fail_it_again() {
    let script = "
        budget 1
        event start
        claim
        nack 5m
        claim
        nack 5m
        replay
        claim
        nack 5m
        replay
        claim
        fail
        discard
        replay";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:00 effect 4 became a dead letter: busy
    01-05 09:00 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:00 #1 rests: awaits effect 9
    01-05 09:00 effect 9 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 9 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:00 effect 9 became a dead letter: busy
    01-05 09:00 #1 say -> failed (failed: busy)
    01-05 09:00 event message_failed channels=["push","email"] content="note" journey="one" reason="busy" step="say" version=1 (raised by #1)
    01-05 09:00 trait failed = true
    01-05 09:00 #1 failed -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 dead letter 4 replayed
    01-05 09:00 -- its instance has ended
    01-05 09:00 effect 4 claimed: attempt 2 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 2 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:00 effect 4 became a dead letter: busy
    01-05 09:00 dead letter 4 replayed
    01-05 09:00 -- its instance has ended
    01-05 09:00 effect 4 claimed: attempt 3 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 3 failed for good: no such address
    01-05 09:00 dead letter 9 discarded
    01-05 09:00 -- rejected: it is not set aside: it was replayed, discarded or expired, or never was there
    "#);
}

#[test]
fn a_claim_without_an_answer_is_an_attempt() {
    let script = "
        budget 2
        event start
        claim
        advance 2m
        claim
        advance 2m
        claim
        deliver";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:02 effect 4 claimed: attempt 2 until 2026-01-05T09:03:00Z
    01-05 09:04 effect 4 became a dead letter: no answer by its until
    01-05 09:04 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:04 #1 rests: awaits effect 9
    01-05 09:04 dead letter 4 settled
    "#);
}

#[test]
fn a_dead_letter_that_went_out_after_all_is_settled() {
    let script = "
        budget 1
        event start
        claim
        nack 5m
        ack
        replay";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:00 effect 4 became a dead letter: busy
    01-05 09:00 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:00 #1 rests: awaits effect 9
    01-05 09:00 dead letter 4 settled
    01-05 09:00 -- rejected: it is not set aside: it was replayed, discarded or expired, or never was there
    "#);
}

#[test]
fn where_there_is_no_room_the_effect_stays_in_its_queue() {
    let script = "
        budget 1
        full
        event start
        claim
        nack 5m
        advance 5m
        claim
        ack";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:05 effect 4 claimed: attempt 2 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 4 attempt 2 sent
    01-05 09:05 #1 say -> after
    01-05 09:05 #1 rests: delay due 2026-02-04T09:05:00Z
    "#);
}

#[test]
fn what_is_set_aside_expires_after_fourteen_days() {
    let script = "
        budget 1
        event start
        claim
        nack 5m
        poison bang
        advance 15d";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:00 effect 4 became a dead letter: busy
    01-05 09:00 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:00 #1 rests: awaits effect 9
    01-05 09:00 ingest quarantined: no such thing
    01-19 09:00:00.001 dead letter 4 expired
    01-19 09:00:00.001 quarantined command 11 expired
    "#);
}

#[test]
fn a_quarantined_event_is_taken_in_again_by_a_replay() {
    let script = "
        poison start
        replay
        poison start
        discard
        replay";
    assert_snapshot!(run(JOURNEY, script), @r#"
    01-05 09:00 ingest quarantined: no such thing
    01-05 09:00 quarantined command 2 replayed
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 6
    01-05 09:00 ingest quarantined: no such thing
    01-05 09:00 quarantined command 8 discarded
    01-05 09:00 -- rejected: it is not set aside: it was replayed, discarded or expired, or never was there
    "#);
}

#[test]
fn a_parked_customer_does_nothing_by_itself_until_it_is_released() {
    let mut world = World::new(JOURNEY);
    world.script("event start \n park bang");
    assert_eq!(world.state.next_wake_at(), None);
    assert_eq!(world.state.offerable_effects().count(), 0);
    world.script("advance 15d \n release \n release \n advance 1m");
    assert_eq!(world.state.offerable_effects().count(), 1);
    assert_snapshot!(world.journal(), @r#"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 ingest quarantined: no such thing
    01-05 09:00 customer parked: no such thing
    01-20 09:00 customer released
    01-20 09:00 -- not parked
    01-20 09:00 quarantined command 6 expired
    "#);
}

#[test]
fn all_attempts_of_a_default_budget_are_kept_and_of_more_the_first_and_the_newest() {
    let mut world = World::new(JOURNEY);
    world.script("event start");
    for _ in 0..20 {
        world.script("claim \n nack 31m \n advance 31m");
    }
    let letter = world.state.dead_letters.values().next().unwrap();
    let numbers: Vec<u32> = letter.row.attempts.iter().map(|one| one.number).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let of_workers = letter.row.attempts.iter();
    assert!(
        of_workers
            .clone()
            .all(|one| one.worker == "w1" && one.failure.as_deref() == Some("busy"))
    );
    world.script("replay");
    for _ in 0..3 {
        world.script("claim push \n nack 31m \n advance 31m");
    }
    let row = world.state.outbox.values().next().unwrap();
    let numbers: Vec<u32> = row.attempts.iter().map(|one| one.number).collect();
    assert_eq!(
        numbers,
        [1, 2, 3].into_iter().chain(7..=23).collect::<Vec<_>>()
    );
    assert_eq!(row.n_attempts(), 3);
}
