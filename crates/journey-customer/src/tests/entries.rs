//! Entries, keys and re-entry.

use insta::assert_snapshot;

use super::run;

const KEYED: &str = r#"
journey: keyed
entry: [{ event: start, where: event.properties.n > 0, max_age: 1h }]
key: event.properties.k
reentry: REENTRY
steps:
  wait: { wait_until: [{ event: stop, match_key: true, next: end }] }
"#;

fn keyed(reentry: &str, script: &str) -> String {
    run(&KEYED.replace("REENTRY", reentry), script)
}

#[test]
fn a_whole_number_and_its_text_are_one_key_and_other_values_make_none() {
    let script = "
        event start n=1 k=42
        event start n=1 k=1.5
        event start n=1 k=null
        event start n=1
        event start n=1 k=true
        event stop k=42";
    assert_snapshot!(keyed("{}", script), @r"
    01-05 09:00 event start k=42 n=1
    01-05 09:00 #1 entered keyed v1 [42] at wait
    01-05 09:00 #1 rests
    01-05 09:00 event start k=1.5 n=1
    01-05 09:00 entry into keyed v1 refused: key_invalid
    01-05 09:00 event start k=null n=1
    01-05 09:00 entry into keyed v1 refused: key_invalid
    01-05 09:00 event start n=1
    01-05 09:00 entry into keyed v1 refused: key_invalid
    01-05 09:00 event start k=true n=1
    01-05 09:00 #2 entered keyed v1 [true] at wait
    01-05 09:00 #2 rests
    01-05 09:00 event stop k=42
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    ");
}

#[test]
fn an_event_that_matches_no_rule_enters_nothing() {
    let script = "event start n=0 k=1 \n event start n=1 k=1 @occurred=2026-01-05T07:00:00Z";
    assert_snapshot!(keyed("{}", script), @r"
    01-05 09:00 event start k=1 n=0
    01-05 09:00 event start k=1 n=1
    ");
}

#[test]
fn ignore_refuses_a_second_entry_of_the_key() {
    let script = "event start n=1 k=1 \n event start n=1 k=2 \n event start n=1 k=1";
    assert_snapshot!(keyed("{ on_conflict: ignore }", script), @r"
    01-05 09:00 event start k=1 n=1
    01-05 09:00 #1 entered keyed v1 [1] at wait
    01-05 09:00 #1 rests
    01-05 09:00 event start k=2 n=1
    01-05 09:00 #2 entered keyed v1 [2] at wait
    01-05 09:00 #2 rests
    01-05 09:00 event start k=1 n=1
    01-05 09:00 entry into keyed v1 refused: conflict
    ");
}

#[test]
fn restart_ends_the_oldest_and_is_not_held_up_by_the_gap() {
    let script = "
        event start n=1 k=1
        event start n=1 k=1
        event stop k=1
        event start n=1 k=1";
    assert_snapshot!(keyed("{ on_conflict: restart, min_gap: 1h }", script), @r"
    01-05 09:00 event start k=1 n=1
    01-05 09:00 #1 entered keyed v1 [1] at wait
    01-05 09:00 #1 rests
    01-05 09:00 event start k=1 n=1
    01-05 09:00 #1 ended: exited:restarted
    01-05 09:00 #2 entered keyed v1 [1] at wait
    01-05 09:00 #2 rests
    01-05 09:00 event stop k=1
    01-05 09:00 #2 wait -> end (branch 0)
    01-05 09:00 #2 ended: completed
    01-05 09:00 event start k=1 n=1
    01-05 09:00 entry into keyed v1 refused: min_gap
    ");
}

#[test]
fn queued_entries_come_in_when_a_place_frees_if_they_still_match() {
    let script = "
        event start n=1 k=1
        advance 10m
        event start n=2 k=1
        advance 40m
        event start n=3 k=1
        advance 30m
        event stop k=1
        event stop k=1
        event stop k=1";
    assert_snapshot!(keyed("{ on_conflict: queue }", script), @r"
    01-05 09:00 event start k=1 n=1
    01-05 09:00 #1 entered keyed v1 [1] at wait
    01-05 09:00 #1 rests
    01-05 09:10 event start k=1 n=2
    01-05 09:10 entry into keyed [1] by start queued
    01-05 09:50 event start k=1 n=3
    01-05 09:50 entry into keyed [1] by start queued
    01-05 10:20 event stop k=1
    01-05 10:20 #1 wait -> end (branch 0)
    01-05 10:20 #1 ended: completed
    01-05 10:20 entry into keyed [1] dequeued
    01-05 10:20 entry into keyed [1] dequeued
    01-05 10:20 #2 entered keyed v1 [1] at wait
    01-05 10:20 #2 rests
    01-05 10:20 event stop k=1
    01-05 10:20 #2 wait -> end (branch 0)
    01-05 10:20 #2 ended: completed
    01-05 10:20 event stop k=1
    ");
}

#[test]
fn a_queue_keeps_the_newest_ten() {
    let mut script = "event start n=100 k=1\n".to_owned();
    for n in 1..=12 {
        script.push_str(&format!("event start n={n} k=1\n"));
    }
    script.push_str("event stop k=1");
    let journal = keyed("{ on_conflict: queue }", &script);
    assert_eq!(journal.matches("oldest dropped").count(), 2);
    assert!(journal.contains("dequeued"));
    let mut world = super::script::World::new(&KEYED.replace("REENTRY", "{ on_conflict: queue }"));
    world.script(&script);
    let entered = world.state.instances.values().next().unwrap();
    let event = entered.entry.event().unwrap();
    assert_eq!(event.properties["n"], journey_types::Value::Int(3));
}

#[test]
fn a_gap_between_entries_is_kept_to_the_millisecond() {
    let script = "
        event start n=1 k=1
        event stop k=1
        advance 59m
        event start n=1 k=1
        advance 1m
        event start n=1 k=1";
    assert_snapshot!(keyed("{ min_gap: 1h }", script), @r"
    01-05 09:00 event start k=1 n=1
    01-05 09:00 #1 entered keyed v1 [1] at wait
    01-05 09:00 #1 rests
    01-05 09:00 event stop k=1
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    01-05 09:59 event start k=1 n=1
    01-05 09:59 entry into keyed v1 refused: min_gap
    01-05 10:00 event start k=1 n=1
    01-05 10:00 #2 entered keyed v1 [1] at wait
    01-05 10:00 #2 rests
    ");
}

#[test]
fn never_counts_per_key() {
    let script = "
        event start n=1 k=1
        event stop k=1
        event start n=1 k=1
        event start n=1 k=2";
    assert_snapshot!(keyed("{ again: never }", script), @r"
    01-05 09:00 event start k=1 n=1
    01-05 09:00 #1 entered keyed v1 [1] at wait
    01-05 09:00 #1 rests
    01-05 09:00 event stop k=1
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    01-05 09:00 event start k=1 n=1
    01-05 09:00 entry into keyed v1 refused: reentry_never
    01-05 09:00 event start k=2 n=1
    01-05 09:00 #2 entered keyed v1 [2] at wait
    01-05 09:00 #2 rests
    ");
}

const TWO_RULES: &str = r#"
journey: b_second
entry: [{ event: start }, { event: start }]
steps:
  wait: { delay: 1h }
---
journey: a_first
entry: [{ event: start, where: event.properties.x == 1 }, { event: start }]
exit: [{ when: customer.traits.?gone.orValue(false), reason: gone }]
steps:
  wait: { delay: 1h }
"#;

#[test]
fn journeys_enter_in_id_order_once_per_event() {
    assert_snapshot!(run(TWO_RULES, "event start x=1"), @r"
    01-05 09:00 event start x=1
    01-05 09:00 #1 entered a_first v1 at wait
    01-05 09:00 #2 entered b_second v1 at wait
    01-05 09:00 #1 rests: delay due 2026-01-05T10:00:00Z
    01-05 09:00 #2 rests: delay due 2026-01-05T10:00:00Z
    ");
}

#[test]
fn an_entry_whose_exit_holds_already_is_refused() {
    assert_snapshot!(run(TWO_RULES, "event identify gone=true \n event start"), @r"
    01-05 09:00 event identify gone=true
    01-05 09:00 trait gone = true
    01-05 09:00 event start
    01-05 09:00 entry into a_first v1 refused: exit_rule
    01-05 09:00 #1 entered b_second v1 at wait
    01-05 09:00 #1 rests: delay due 2026-01-05T10:00:00Z
    01-05 09:00 -- condition of entry: no field `x` in `event.properties`
    ");
}

#[test]
fn history_updates_profile_and_counts_and_enters_nothing() {
    let script = "
        history identify gone=false city=Bonn
        history start
        again
        event identify city=null";
    assert_snapshot!(run(TWO_RULES, script), @r#"
    01-05 09:00 event identify city="Bonn" gone=false (history)
    01-05 09:00 trait city = "Bonn"
    01-05 09:00 trait gone = false
    01-05 09:00 event start (history)
    01-05 09:00 -- duplicate
    01-05 09:00 event identify city=null
    01-05 09:00 trait city removed
    "#);
}

#[test]
fn other_identifiers_are_remembered_and_no_traits_of_their_own() {
    let script = "
        event identify anonymous_id=x city=Bonn
        event alias previous_id=bea
        event alias previous_id=bea
        event seen anonymous_id=y";
    assert_snapshot!(run(TWO_RULES, script), @r#"
    01-05 09:00 event identify anonymous_id="x" city="Bonn"
    01-05 09:00 trait city = "Bonn"
    01-05 09:00 trait also_known_as = ["anonymous:x"]
    01-05 09:00 event alias previous_id="bea"
    01-05 09:00 trait also_known_as = ["anonymous:x","bea"]
    01-05 09:00 event alias previous_id="bea"
    01-05 09:00 event seen anonymous_id="y"
    "#);
}

#[test]
fn more_identifiers_than_are_remembered_are_refused() {
    let named = |n: usize| format!("event alias previous_id=c{n}");
    let mut script: Vec<String> = (0..=100).map(named).collect();
    script.push(named(99));
    let printed = run(TWO_RULES, &script.join("\n"));
    let refused: Vec<&str> = printed.lines().filter(|l| l.contains("rejected")).collect();
    let [refused] = refused.as_slice() else {
        panic!("{refused:?}");
    };
    assert!(refused.contains("too_many_identifiers: "), "{refused}");
}

#[test]
fn an_event_that_lies_is_refused() {
    let script = "event start @occurred=2026-01-07T09:00:00Z";
    assert_snapshot!(run(TWO_RULES, script), @r"
    01-05 09:00 -- rejected: occurred_in_future: occurred_at 2026-01-07T09:00:00Z is more than 24 h ahead of its arrival at 2026-01-05T09:00:00Z; check the producer's clock
    ");
}

const VERSION: &str = r#"
journey: versions
entry: [{ event: start }]
reentry: { concurrent: 2, on_conflict: ignore }
steps:
  wait: { delay: 1h, next: mark }
  mark: { update: { traits.VERSION: true } }
"#;

#[test]
fn an_instance_stays_on_its_version_and_places_count_over_all_of_them() {
    let mut world = super::script::World::new(&VERSION.replace("VERSION", "first"));
    world.script("event start");
    world.publish(&VERSION.replace("VERSION", "second"));
    world.script("event start \n event start \n advance 2h");
    assert_snapshot!(world.journal(), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered versions v1 at wait
    01-05 09:00 #1 rests: delay due 2026-01-05T10:00:00Z
    01-05 09:00 event start
    01-05 09:00 #2 entered versions v2 at wait
    01-05 09:00 #2 rests: delay due 2026-01-05T10:00:00Z
    01-05 09:00 event start
    01-05 09:00 entry into versions v2 refused: conflict
    01-05 10:00:00.001 #1 timer fired: delay, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #1 wait -> mark
    01-05 10:00:00.001 #2 timer fired: delay, due 2026-01-05T10:00:00Z
    01-05 10:00:00.001 #2 wait -> mark
    01-05 10:00:00.001 trait first = true
    01-05 10:00:00.001 #1 mark -> end
    01-05 10:00:00.001 #1 ended: completed
    01-05 10:00:00.001 trait second = true
    01-05 10:00:00.001 #2 mark -> end
    01-05 10:00:00.001 #2 ended: completed
    ");
}
