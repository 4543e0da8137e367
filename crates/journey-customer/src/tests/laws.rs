//! The laws, held against random lists of commands over a handful of journeys that use every kind of step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use journey_types::{Sequence, TimeSpan, Value};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::script::World;
use crate::{
    Command, CustomerState, Departure, EventBody, IngestMode, JournalEvent, Outcome, TimerKind,
    apply,
};

const JOURNEYS: &str = r#"
journey: cart
entry: [{ event: cart_added, where: event.properties.value > 2, max_age: 2d }]
key: event.properties.key
reentry: { concurrent: 1, on_conflict: restart, min_gap: 1h }
goals:
  - { id: bought, event: purchase, match_key: true, within: 2d, exit: true }
  - { id: seen, event: ping }
exit:
  - { event: cart_emptied, match_key: true, reason: emptied }
  - { when: 'history.count("purchase", "6h") > 3', reason: spree }
steps:
  wait: { delay: { for: 3h, window: { zone: customer, days: [mon-fri], hours: "08:00-20:00" } }, next: remind }
  remind:
    message: { content: fragile, channels: [push, email], await: sent }
    timeout: { after: 12h, next: think }
    on_error: broken
    next: think
  think:
    wait_until:
      - { event: ping, since: entry, next: again }
      - { when: customer.traits.?vip.orValue(false), rising: true, next: again }
      - { after: 1d, next: end }
  again: { update: { vars.n: vars.?n.orValue(0) + 1, traits.carts: customer.traits.?carts.orValue(0) + 1 }, next: choose }
  choose: { split: [{ when: vars.n > 3, next: end }, { else: wait }] }
  broken: { update: { traits.broken: vars.missing }, next: end }
---
journey: queue
entry: [{ event: purchase }, { api: enroll, where: input.value != 5 }]
reentry: { concurrent: 2, on_conflict: queue }
steps:
  rest: { delay: 5h, next: tell }
  tell: { emit: { event: ping, properties: { value: "has(entry.properties) ? entry.properties.value : input.value" } }, next: spread }
  spread: { only_if: entry.properties.value > 3, emit: { event: cart_added, properties: { value: 9, key: "'q'" } }, next: divide }
  divide: { update: { vars.x: 8 / (entry.properties.value - 4) }, next: end }
---
journey: watcher
entry: [{ event: ping }]
reentry: { again: never }
steps:
  wait:
    wait_until:
      - { when: 'journeys.active("queue") > 1 && history.absent("ping", "4h")', next: say }
      - { when: 'history.sum("purchase", "value", "1d") > 20.0', next: say }
  say: { message: { content: note, channels: [email, push], await: delivered }, next: wait2 }
  wait2: { wait_until: [{ event: never, next: end }, { after: 3d, next: end }] }
---
content: fragile
variants:
  - { channel: push, body: "Hi" }
  - { channel: email, subject: "Hi", body: "Hi {{ entry.properties.missing }}" }
---
content: note
variants:
  - { channel: push, body: "Hi" }
  - { channel: email, subject: "Hi", body: "Hi {{ entry.properties.value }}" }
"#;

#[derive(Debug, Clone)]
enum Act {
    Event(&'static str, i64, &'static str),
    History(i64),
    Identify(bool),
    Enroll(i64, u8),
    Again,
    Advance(i64),
    Late(i64),
    Claim,
    Settle(u8, i64),
}

/// A customer under the journeys, which are compiled once.
fn world(customer: &str) -> World {
    static FIRST: OnceLock<World> = OnceLock::new();
    FIRST.get_or_init(|| World::new(JOURNEYS)).beside(customer)
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let name = prop_oneof![
        Just("cart_added"),
        Just("cart_emptied"),
        Just("purchase"),
        Just("ping"),
        Just("other"),
    ];
    let key = prop_oneof![Just("a"), Just("b")];
    let act = prop_oneof![
        6 => (name, 0_i64..9, key).prop_map(|(name, value, key)| Act::Event(name, value, key)),
        1 => (0_i64..9).prop_map(Act::History),
        1 => any::<bool>().prop_map(Act::Identify),
        1 => (0_i64..9, 0_u8..8).prop_map(|(value, id)| Act::Enroll(value, id)),
        1 => Just(Act::Again),
        4 => (1_i64..1_500).prop_map(Act::Advance),
        1 => (1_i64..3_000).prop_map(Act::Late),
        3 => Just(Act::Claim),
        3 => (0_u8..4, 0_i64..2).prop_map(|(outcome, age)| Act::Settle(outcome, age)),
    ];
    proptest::collection::vec(act, 1..60)
}

impl World {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Event(name, value, key) => {
                let mut event = self.new_event(name);
                event
                    .properties
                    .insert("value".to_owned(), Value::Int(*value));
                event.properties.insert("key".to_owned(), Value::text(*key));
                let mode = IngestMode::Live;
                self.command(&Command::ingest(event, mode));
            }
            Act::History(value) => {
                let mut event = self.new_event("purchase");
                event.occurred_at = self.now.minus(TimeSpan::from_hours(*value));
                event
                    .properties
                    .insert("value".to_owned(), Value::Double(0.1));
                let mode = IngestMode::History;
                self.command(&Command::ingest(event, mode));
            }
            Act::Identify(vip) => self.script(&format!("event identify vip={vip}")),
            Act::Enroll(value, id) => {
                self.script(&format!("enroll queue @id={id} value={value}"));
            }
            Act::Again if self.facts.is_empty() => {}
            Act::Again => self.repeat_any(),
            Act::Advance(minutes) => {
                self.go_to(self.now.plus(TimeSpan::from_secs(minutes * 60)));
            }
            Act::Late(minutes) => {
                self.now = self.now.plus(TimeSpan::from_secs(minutes * 60));
                self.command(&Command::FireTimers);
            }
            Act::Claim => {
                if !self.state.outbox.is_empty() {
                    self.script("claim");
                }
            }
            Act::Settle(outcome, age) => self.settle_any(*outcome, *age),
        }
    }

    /// Resends the first event of the last 7 days; it must be known.
    fn repeat_any(&mut self) {
        let horizon = self.now.minus(TimeSpan::from_days(7));
        let ingested = self.facts.iter().find_map(|fact| match &fact.body {
            EventBody::EventAccepted {
                fingerprint: Some(_),
                event,
                mode,
                ..
            } if fact.stamp >= horizon => Some((event.as_ref().clone(), *mode)),
            _ => None,
        });
        if let Some((event, mode)) = ingested {
            let n_facts = self.facts.len();
            self.command(&Command::ingest(event, mode));
            assert_eq!(self.facts.len(), n_facts, "a duplicate makes no facts");
        }
    }

    fn settle_any(&mut self, outcome: u8, age: i64) {
        let Some(row) = self.state.outbox.values().next() else {
            return;
        };
        let reason = "because".to_owned();
        let retry_at = self.now.plus(TimeSpan::from_secs(600));
        let command = Command::Settle {
            birth: row.birth,
            effect: row.effect,
            attempt: row.attempt.saturating_sub(u32::try_from(age).unwrap()),
            outcome: match outcome {
                0 => Outcome::Sent,
                1 => Outcome::Delivered,
                2 => Outcome::FailedForGood { reason },
                _ => Outcome::FailedForNow { reason, retry_at },
            },
        };
        self.command(&command);
    }
}

fn assert_laws(world: &World) {
    let mut replayed = CustomerState::new(world.state.key.clone());
    for fact in &world.facts {
        apply(&mut replayed, fact);
    }
    assert_eq!(replayed, world.state, "the facts alone make the state");
    let sequences = world.facts.iter().map(|fact| fact.sequence.get());
    assert!(sequences.eq(1..=world.facts.len() as u64), "gapless");
    assert_entered_is_accounted_for(world);
    assert_timers_are_armed_and_fire_once(&world.facts);
    assert_one_terminal_outcome(&world.facts);
    assert_every_instance_can_wake(world);
}

/// entered = active + parked + completed + exited
fn assert_entered_is_accounted_for(world: &World) {
    let n_entered = count(world, |body| matches!(body, EventBody::InstanceEntered(_)));
    let n_ended = count(world, |body| {
        matches!(body, EventBody::InstanceEnded { .. })
    });
    assert_eq!(n_entered, n_ended + world.state.instances.len());
}

fn count(world: &World, is_counted: impl Fn(&EventBody) -> bool) -> usize {
    world
        .facts
        .iter()
        .filter(|fact| is_counted(&fact.body))
        .count()
}

/// Every timer that fires was armed by the instance's last rest, is due, and has not fired before.
fn assert_timers_are_armed_and_fire_once(facts: &[JournalEvent]) {
    let mut armed = BTreeMap::new();
    for fact in facts {
        match &fact.body {
            EventBody::Rested { instance, rest } => {
                armed.insert(*instance, rest.timers.clone());
            }
            EventBody::StepMoved { instance, .. } | EventBody::InstanceParked { instance, .. } => {
                armed.remove(&instance.number);
            }
            EventBody::TimerFired {
                instance,
                timer,
                due_at,
            } => {
                assert!(*due_at < fact.stamp, "a timer fires early: {fact:?}");
                let timers = armed.get_mut(&instance.number).expect("it rests on timers");
                let place = timers
                    .iter()
                    .position(|t| t.kind == *timer && t.due_at == *due_at);
                timers.remove(place.expect("the timer was armed and has not fired"));
            }
            _ => {}
        }
    }
}

fn assert_one_terminal_outcome(facts: &[JournalEvent]) {
    let mut gone: BTreeSet<(Sequence, bool)> = BTreeSet::new();
    for fact in facts {
        if let EventBody::EffectSettled {
            effect, outcome, ..
        } = &fact.body
        {
            let is_receipt = *outcome == Outcome::Delivered && gone.contains(&(*effect, false));
            if !matches!(
                outcome,
                Outcome::FailedForNow { .. } | Outcome::Returned { .. }
            ) {
                assert!(
                    gone.insert((*effect, is_receipt)),
                    "two outcomes of {effect}"
                );
            }
        }
    }
}

fn assert_every_instance_can_wake(world: &World) {
    for instance in world.state.instances.values() {
        let is_wait = ["think", "wait2"].contains(&instance.step.as_str())
            || (instance.journey.as_str() == "watcher" && instance.step.as_str() == "wait");
        let rest = &instance.rest;
        let has_timer = rest.timers.iter().any(|t| t.kind != TimerKind::Recheck);
        assert!(
            is_wait || has_timer || rest.awaited_effect.is_some() || instance.parked.is_some(),
            "{instance:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn facts_make_the_state_timers_fire_once_and_nobody_is_lost(acts in acts()) {
        let mut world = world("anna");
        for act in &acts {
            world.act(act);
        }
        assert_laws(&world);
        // When nothing comes any more, every timer fires and everyone who can comes to an end.
        world.go_to(world.now.plus(TimeSpan::from_days(30)));
        assert_laws(&world);
        prop_assert!(world.state.next_due_at().is_none());
    }

    #[test]
    fn two_customers_commute(first in acts(), second in acts()) {
        let alone = |acts: &[Act], name: &str| {
            let mut world = world(name);
            acts.iter().for_each(|act| world.act(act));
            world.facts
        };
        let mut worlds = ["anna", "bert"].map(world);
        for act_idx in 0..first.len().max(second.len()) {
            for (world, acts) in worlds.iter_mut().zip([&first, &second]) {
                if let Some(act) = acts.get(act_idx) {
                    world.act(act);
                }
            }
        }
        prop_assert_eq!(&worlds[0].facts, &alone(&first, "anna"));
        prop_assert_eq!(&worlds[1].facts, &alone(&second, "bert"));
    }

    #[test]
    fn the_same_commands_make_the_same_facts(acts in acts()) {
        let facts = || {
            let mut world = world("anna");
            acts.iter().for_each(|act| world.act(act));
            world.facts
        };
        prop_assert_eq!(facts(), facts());
    }
}

#[test]
fn the_random_commands_reach_every_kind_of_fact() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    for _ in 0..300 {
        let acts = acts().new_tree(&mut runner).unwrap().current();
        let mut world = world("anna");
        acts.iter().for_each(|act| world.act(act));
        kinds.extend(world.facts.iter().map(|fact| kind_of(&fact.body)));
    }
    let expected = [
        "BranchForeseen",
        "CustomerBorn",
        "EnrollmentAccepted",
        "EffectClaimed",
        "EffectSettled",
        "EntryDequeued",
        "EntryQueued",
        "EntryRefused",
        "EventAccepted",
        "GoalReached",
        "InstanceEnded",
        "InstanceEntered",
        "InstanceParked",
        "MessageGranted",
        "MessageRefused",
        "Rested",
        "StepMoved",
        "TimerFired",
        "TraitChanged",
        "VarChanged",
    ];
    for kind in expected {
        assert!(kinds.contains(kind), "{kind} is never reached: {kinds:?}");
    }
    for detail in [
        "TimerFired Recheck",
        "StepMoved Skipped",
        "StepMoved TimedOut",
        "StepMoved Failed",
    ] {
        assert!(
            kinds.contains(detail),
            "{detail} is never reached: {kinds:?}"
        );
    }
}

/// The name of a fact, for some with what tells it apart further.
fn kind_of(body: &EventBody) -> String {
    let word = |text: String| {
        let end = text
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(text.len());
        text[..end].to_owned()
    };
    let name = word(format!("{body:?}"));
    match body {
        EventBody::StepMoved { how, .. } if *how != Departure::Done => {
            format!("{name} {}", word(format!("{how:?}")))
        }
        EventBody::TimerFired {
            timer: TimerKind::Recheck,
            ..
        } => format!("{name} Recheck"),
        _ => name,
    }
}
