//! Every bound, reached.

use journey_types::Value;
use journey_types::limits::INSTANCE_STEPS_PER_TURN_MAX;

use super::run;
use super::script::World;
use crate::{Command, IngestMode, Rejection};

#[test]
fn an_instance_that_never_rests_is_parked_as_an_endless_loop() {
    let yaml = r"
journey: spin
entry: [{ event: start }]
goals: [{ id: helped, event: helped, exit: true }]
steps:
  a: { update: { vars.n: vars.?n.orValue(0) + 1 }, next: b }
  b: { split: [{ when: vars.n < 0, next: end }, { else: a }] }
";
    let mut world = World::new(yaml);
    world.script("event start");
    let journal = world.journal();
    assert!(
        journal.contains("turn paused, round 1: 0 events, 1 instances"),
        "{journal}"
    );
    assert!(journal.contains("turn paused, round 16"), "{journal}");
    assert!(!journal.contains("turn paused, round 17"), "{journal}");
    assert!(
        journal.ends_with("#1 parked: endless loop: it never comes to rest\n"),
        "{journal}"
    );
    let n_moves = journal.matches(" -> ").count();
    assert_eq!(n_moves, 17 * INSTANCE_STEPS_PER_TURN_MAX);
    let is_at_start = |fact: &crate::JournalEvent| fact.stamp == world.facts[0].stamp;
    assert!(
        world.facts.iter().all(is_at_start),
        "a turn goes on at its own stamp"
    );
    world.script("event helped");
    assert!(world.state.instances.is_empty());
}

#[test]
fn a_long_way_without_rest_is_gone_to_its_end() {
    let yaml = r"
journey: long
entry: [{ event: start }]
steps:
  a: { update: { vars.n: vars.?n.orValue(0) + 1 }, next: b }
  b: { split: [{ when: vars.n < 400, next: a }, { else: end }] }
";
    let journal = run(yaml, "event start");
    assert!(journal.contains("turn paused, round 3"), "{journal}");
    assert!(journal.ends_with("#1 ended: completed\n"), "{journal}");
}

#[test]
fn events_raise_events_sixteen_deep() {
    let yaml = r"
journey: echo
entry: [{ event: ping }]
steps:
  say: { emit: { event: ping } }
";
    let journal = run(yaml, "event ping");
    assert_eq!(journal.matches("event ping").count(), 17, "{journal}");
    let end = "#17 parked: events raise events more than 16 deep\n";
    assert!(journal.ends_with(end), "{journal}");
}

#[test]
fn variables_have_a_bound() {
    let yaml = r"
journey: grow
entry: [{ event: start }]
steps:
  a: { update: { vars.t: entry.properties.t } }
";
    let mut world = World::new(yaml);
    let mut event = world.new_event("start");
    event
        .properties
        .insert("t".to_owned(), Value::text("x".repeat(17_000)));
    let mode = IngestMode::Live;
    world.command(&Command::ingest(event, mode));
    let journal = world.journal();
    assert!(
        journal.contains("parked: vars would take 17008 bytes, at most 16384"),
        "{journal}"
    );
}

#[test]
fn a_thousand_instances_run_and_one_more_is_refused() {
    let yaml = r"
journey: many
entry: [{ event: start }]
key: event.properties.k
exit: [{ event: stop, reason: stopped }]
steps:
  rest: { delay: 1h, next: more }
  more: { update: { vars.a: 1 }, next: again }
  again: { update: { vars.a: 2 }, next: b }
  b: { update: { vars.a: 3 }, next: c }
  c: { update: { vars.a: 4 }, next: end }
";
    let mut world = World::new(yaml);
    for k in 0..=1_000 {
        world.script(&format!("event start k={k}"));
    }
    assert_eq!(world.state.instances.len(), 1_000);
    let journal = world.journal();
    assert!(journal.ends_with("entry into many v1 refused: too_many_instances\n"));
    // All of them move in one turn, which takes more steps than one turn may.
    world.script("advance 1h");
    assert!(world.state.instances.is_empty());
    assert!(world.journal().contains("turn paused, round 1"));
    assert_eq!(world.journal().matches("ended: completed").count(), 1_000);
}

#[test]
fn an_event_that_would_make_the_customer_too_large_is_refused_and_timers_park() {
    let yaml = r"
journey: hoard
entry: [{ event: start }]
key: event.properties.k
steps:
  rest: { delay: 1h, next: grow }
  grow: { update: { vars.copy: entry.properties.t }, next: stay }
  stay: { delay: 1h }
";
    let mut world = World::new(yaml);
    let mode = IngestMode::Live;
    let mut refused = None;
    for k in 0..200 {
        let mut event = world.new_event("start");
        event.properties.insert("k".to_owned(), Value::Int(k));
        event
            .properties
            .insert("t".to_owned(), Value::text("x".repeat(12_000)));
        refused = world.decide(&Command::ingest(event, mode)).err();
        if refused.is_some() {
            break;
        }
    }
    assert!(
        matches!(refused, Some(Rejection::StateTooLarge { .. })),
        "{refused:?}"
    );
    let n_instances = world.state.instances.len();
    assert!(n_instances > 70);
    world.script("advance 1h");
    let parked = world
        .journal()
        .matches("parked: customer_too_large")
        .count();
    assert_eq!(parked, n_instances);
}

#[test]
fn a_customer_with_too_many_event_ids_is_refused() {
    use journey_types::limits::DEDUPE_IDS_MAX;
    use journey_types::{Fingerprint, Timestamp};
    let mut world = World::new("journey: j\nentry: [{ event: x }]\nsteps: { a: { delay: 1h } }\n");
    for n in 0..DEDUPE_IDS_MAX as u128 {
        let fingerprint = Fingerprint::from_bytes((n * 0x9E37_79B9).to_be_bytes());
        world.state.dedupe.remember(fingerprint, world.now);
    }
    let event = world.new_event("start");
    let mode = IngestMode::Live;
    let command = Command::ingest(event, mode);
    let n_ids = DEDUPE_IDS_MAX;
    assert_eq!(
        world.decide(&command),
        Err(Rejection::TooManyEventIds { n_ids })
    );
    world.now = Timestamp::parse("2026-01-20T00:00:00Z").unwrap();
    assert!(world.decide(&command).is_ok());
}

#[test]
fn a_condition_that_turned_true_before_a_pause_is_not_lost() {
    let yaml = r"
journey: a_watches
entry: [{ event: start }]
steps:
  wait: { wait_until: [{ when: customer.traits.?ready.orValue(false), next: end }] }
---
journey: b_long
entry: [{ event: start }]
steps:
  first: { update: { traits.ready: true }, next: a }
  a: { update: { vars.n: vars.?n.orValue(0) + 1 }, next: b }
  b: { split: [{ when: vars.n < 400, next: a }, { else: end }] }
";
    let mut world = World::new(yaml);
    world.script("event start");
    assert!(world.journal().contains("turn paused"));
    assert!(world.state.instances.is_empty(), "{}", world.journal());
}

#[test]
fn raised_events_wait_out_a_pause() {
    let yaml = r"
journey: a_raises
entry: [{ event: start }]
steps:
  a: { emit: { event: ping, properties: { n: vars.?n.orValue(0) } }, next: b }
  b: { update: { vars.n: vars.?n.orValue(0) + 1 }, next: c }
  c: { split: [{ when: vars.n < 150, next: a }, { else: end }] }
---
journey: b_hears
entry: [{ event: ping }]
key: event.properties.n
steps:
  a: { update: { traits.heard: customer.traits.?heard.orValue(0) + 1 } }
";
    let mut world = World::new(yaml);
    world.script("event start");
    assert!(world.journal().contains("turn paused"));
    assert_eq!(world.state.traits["heard"], Value::Int(150));
}
