//! Entry by `api`: enroll calls, their input, their ids.

use insta::assert_snapshot;

use super::run;
use super::script::World;

const HELP: &str = r#"
journey: help
entry:
  - { api: enroll, where: input.tier == 'gold' }
  - { event: asked, where: event.properties.urgent == true }
key: "has(input.case) ? input.case : event.properties.case"
reentry: REENTRY
exit: [ { when: "customer.traits.banned == true", reason: banned } ]
steps:
  note: { update: { vars.tier: "input.?tier.orValue('none')", vars.by: "has(entry.name) ? entry.name : 'call'" }, next: wait }
  wait: { wait_until: [ { event: solved, match_key: event.properties.case, next: end }, { after: 2d, next: end } ] }
"#;

fn help(reentry: &str, script: &str) -> String {
    run(&HELP.replace("REENTRY", reentry), script)
}

#[test]
fn an_enroll_call_enters_with_its_input_and_an_event_with_none() {
    let script = "
        enroll help tier=gold case=7
        event asked urgent=true case=8
        event solved case=7";
    assert_snapshot!(help("{}", script), @r#"
    01-05 09:00 enrolled in help
    01-05 09:00 #1 entered help v1 [7] at note by enroll c1 case=7 tier="gold"
    01-05 09:00 #1 var tier = "gold"
    01-05 09:00 #1 var by = "call"
    01-05 09:00 #1 note -> wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 event asked case=8 urgent=true
    01-05 09:00 #2 entered help v1 [8] at note
    01-05 09:00 #2 var tier = "none"
    01-05 09:00 #2 var by = "asked"
    01-05 09:00 #2 note -> wait
    01-05 09:00 #2 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 event solved case=7
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    "#);
}

#[test]
fn what_the_rules_refuse_is_answered_with_its_reason_and_may_be_tried_again_under_the_same_id() {
    let script = "
        enroll help @id=a tier=silver case=7
        enroll help @id=a tier=gold
        enroll help @id=a tier=gold case=7
        enroll help @id=b tier=gold case=7
        event solved case=7
        enroll help @id=b tier=gold case=7
        event identify banned=true
        enroll help tier=gold case=9";
    assert_snapshot!(help("{}", script), @r#"
    01-05 09:00 -- not enrolled: where
    01-05 09:00 entry into help v1 refused: key_invalid
    01-05 09:00 -- not enrolled: key_invalid
    01-05 09:00 enrolled in help
    01-05 09:00 #1 entered help v1 [7] at note by enroll a case=7 tier="gold"
    01-05 09:00 #1 var tier = "gold"
    01-05 09:00 #1 var by = "call"
    01-05 09:00 #1 note -> wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 entry into help v1 refused: conflict
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 -- not enrolled: conflict
    01-05 09:00 event solved case=7
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    01-05 09:00 enrolled in help
    01-05 09:00 #2 entered help v1 [7] at note by enroll b case=7 tier="gold"
    01-05 09:00 #2 var tier = "gold"
    01-05 09:00 #2 var by = "call"
    01-05 09:00 #2 note -> wait
    01-05 09:00 #2 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 event identify banned=true
    01-05 09:00 trait banned = true
    01-05 09:00 #2 ended: exited:banned
    01-05 09:00 entry into help v1 refused: exit_rule
    01-05 09:00 -- not enrolled: exit_rule
    "#);
}

#[test]
fn a_repeat_of_what_took_effect_changes_nothing_for_seven_days() {
    let script = "
        enroll help @id=a tier=gold case=7
        again
        event solved case=7
        advance 6d
        enroll help @id=a tier=gold case=7
        advance 2d
        enroll help @id=a tier=gold case=7";
    assert_snapshot!(help("{}", script), @r#"
    01-05 09:00 enrolled in help
    01-05 09:00 #1 entered help v1 [7] at note by enroll a case=7 tier="gold"
    01-05 09:00 #1 var tier = "gold"
    01-05 09:00 #1 var by = "call"
    01-05 09:00 #1 note -> wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 -- duplicate
    01-05 09:00 event solved case=7
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    01-11 09:00 -- duplicate
    01-13 09:00 enrolled in help
    01-13 09:00 #2 entered help v1 [7] at note by enroll a case=7 tier="gold"
    01-13 09:00 #2 var tier = "gold"
    01-13 09:00 #2 var by = "call"
    01-13 09:00 #2 note -> wait
    01-13 09:00 #2 rests: branch 1 due 2026-01-15T09:00:00Z
    01-13 09:00 -- condition of banned: no field `banned` in `customer.traits`
    "#);
}

#[test]
fn an_event_of_the_same_id_is_another_thing() {
    let mut world = World::new(&HELP.replace("REENTRY", "{}"));
    world.script("enroll help @id=a tier=gold case=7 \n event solved @id=a case=7");
    assert!(world.state.instances.is_empty(), "{}", world.journal());
}

#[test]
fn enroll_calls_wait_for_a_place_and_keep_their_input() {
    let script = "
        enroll help tier=gold case=7 n=1
        enroll help tier=gold case=7 n=2
        again
        event solved case=7";
    assert_snapshot!(help("{ on_conflict: queue }", script), @r#"
    01-05 09:00 enrolled in help
    01-05 09:00 #1 entered help v1 [7] at note by enroll c1 case=7 n=1 tier="gold"
    01-05 09:00 #1 var tier = "gold"
    01-05 09:00 #1 var by = "call"
    01-05 09:00 #1 note -> wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 enrolled in help
    01-05 09:00 entry into help [7] by enroll c2 case=7 n=2 tier="gold" queued
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    01-05 09:00 -- duplicate
    01-05 09:00 event solved case=7
    01-05 09:00 #1 wait -> end (branch 0)
    01-05 09:00 #1 ended: completed
    01-05 09:00 entry into help [7] dequeued
    01-05 09:00 #2 entered help v1 [7] at note by enroll c2 case=7 n=2 tier="gold"
    01-05 09:00 #2 var tier = "gold"
    01-05 09:00 #2 var by = "call"
    01-05 09:00 #2 note -> wait
    01-05 09:00 #2 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    "#);
}

#[test]
fn never_counts_every_way_in() {
    let script = "
        enroll help tier=gold case=7
        event solved case=7
        event asked urgent=true case=7
        enroll help tier=gold case=7";
    let journal = help("{ again: never }", script);
    assert_eq!(
        journal.matches("refused: reentry_never").count(),
        2,
        "{journal}"
    );
}

#[test]
fn a_journey_that_is_not_there_or_has_no_such_entry_refuses_by_name() {
    let other = "journey: other\nentry: [ { event: e } ]\nsteps: { s: { delay: 1d } }";
    assert_snapshot!(run(other, "enroll nobody \n enroll other"), @r"
    01-05 09:00 -- rejected: unknown_journey: no journey `nobody` is published
    01-05 09:00 -- rejected: no_api_entry: journey `other` has no entry by `api`; add `entry: [ { api: enroll } ]` and publish it
    ");
}

#[test]
fn the_key_of_a_later_event_is_its_own_and_not_that_of_the_call() {
    let yaml = HELP.replace("REENTRY", "{}");
    let yaml = yaml.replace("match_key: event.properties.case", "match_key: true");
    let mut world = World::new(&yaml);
    world.script("enroll help tier=gold case=7 \n event solved case=8");
    assert_eq!(world.state.instances.len(), 1, "{}", world.journal());
    world.script("event solved case=7");
    assert!(world.state.instances.is_empty(), "{}", world.journal());
}

#[test]
fn a_quarantined_enroll_call_is_taken_in_again() {
    let mut world = World::new(&HELP.replace("REENTRY", "{}"));
    let reason = "no such thing".to_owned();
    let command = Box::new(world.enrollment("help tier=gold case=7"));
    world.command(&crate::Command::Quarantine {
        command,
        reason,
        parks: false,
    });
    world.script("replay");
    assert_snapshot!(world.journal(), @r#"
    01-05 09:00 enroll quarantined: no such thing
    01-05 09:00 quarantined command 2 replayed
    01-05 09:00 enrolled in help
    01-05 09:00 #1 entered help v1 [7] at note by enroll c1 case=7 tier="gold"
    01-05 09:00 #1 var tier = "gold"
    01-05 09:00 #1 var by = "call"
    01-05 09:00 #1 note -> wait
    01-05 09:00 #1 rests: branch 1 due 2026-01-07T09:00:00Z
    01-05 09:00 -- condition of banned: no field `banned` in `customer.traits`
    "#);
}

#[test]
fn a_large_input_is_refused() {
    let text = "x".repeat(33_000);
    let journal = help("{}", &format!("enroll help tier=gold case=7 text={text}"));
    assert!(journal.contains("rejected: input_too_large"), "{journal}");
}
