//! The seven scenarios of JOURNEYS section 13 against a real process, killed between their steps and with every event
//! delivered again and again (5 without `while_qualified`, which is not delivered yet). In virtual time they are in
//! `journey-customer`'s scripts.
//!
//! All scenarios go through their steps side by side, so that one kill falls between two steps of each.

mod expectations;
mod journeys;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use journey_client::wire::event_result::Status;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::{WorkerMessage, timestamp_to_wire, wire, wire_to_timestamp};
use journey_types::{TimeSpan, Timestamp, Value};
use tests::slow_tests_wanted;
use tokio::task::{JoinError, JoinSet};

use crate::world::{World, event_with, publish, send};

/// Places between two steps: before the first event, between two steps, before the last look.
const GAPS: usize = 5;

/// Effects that are taken before the third gap, of those that are there by then.
const TAKEN_EARLY: usize = 4;

/// Passes at once where there are many: each mostly waits, for its timers and for the claims of workers that are gone.
const RUNS_AT_ONCE: usize = 8;

// Starting and killing a process blocks the thread that does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn scenarios_hold_with_a_kill_at_every_gap_and_every_event_repeated() -> anyhow::Result<()> {
    let every_gap: BTreeSet<usize> = (0..GAPS).collect();
    run(every_gap, true).await?;
    if !slow_tests_wanted() {
        return Ok(());
    }
    let mut runs = JoinSet::new();
    for kills in every_pair_of_gaps() {
        for repeats in [false, true] {
            if runs.len() >= RUNS_AT_ONCE {
                ended(runs.join_next().await)?;
            }
            runs.spawn(run(kills.clone(), repeats));
        }
    }
    while !runs.is_empty() {
        ended(runs.join_next().await)?;
    }
    Ok(())
}

fn ended(run: Option<Result<anyhow::Result<()>, JoinError>>) -> anyhow::Result<()> {
    run.context("a run was under way")??
}

/// One pass, which says how long it took.
async fn run(kills: BTreeSet<usize>, repeats: bool) -> anyhow::Result<()> {
    let what = format!("kills at {kills:?}, repeated: {repeats}");
    let begun = tokio::time::Instant::now();
    let run = Run::new(kills, repeats).await?;
    run.all_steps().await.with_context(|| what.clone())?;
    eprintln!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// No kill, each one alone, each two.
fn every_pair_of_gaps() -> Vec<BTreeSet<usize>> {
    let mut sets = vec![BTreeSet::new()];
    for first in 0..GAPS {
        for second in first..GAPS {
            sets.push(BTreeSet::from([first, second]));
        }
    }
    sets
}

/// One pass through all scenarios.
struct Run {
    world: World,
    /// The gaps in which the process is killed.
    kills: BTreeSet<usize>,
    /// Whether every event is sent a second time at once, and all of them once more after a kill.
    repeats: bool,
    sent: Vec<wire::CustomerEvent>,
    /// Ids of the effects by (customer, content, body).
    effects: BTreeMap<(String, String, String), BTreeSet<String>>,
    started_at: Timestamp,
}

impl Run {
    async fn new(kills: BTreeSet<usize>, repeats: bool) -> anyhow::Result<Self> {
        Ok(Self {
            world: World::start().await?,
            kills,
            repeats,
            sent: Vec::new(),
            effects: BTreeMap::new(),
            started_at: Timestamp::EPOCH,
        })
    }

    async fn all_steps(mut self) -> anyhow::Result<()> {
        publish(&self.world.client, &journeys::yaml()).await?;
        self.gap(0).await?;
        self.first_events().await?;
        self.gap(1).await?;
        self.second_events().await?;
        self.gap(2).await?;
        self.take_effects(TAKEN_EARLY).await?;
        self.gap(3).await?;
        self.third_events().await?;
        self.take_effects(expectations::n_effects()).await?;
        self.gap(4).await?;
        expectations::hold(&self.world, &self.effects).await
    }

    async fn gap(&mut self, gap: usize) -> anyhow::Result<()> {
        if !self.kills.contains(&gap) {
            return Ok(());
        }
        self.world.crash().await?;
        if self.repeats {
            for event in self.sent.clone() {
                let result = send(&self.world.client, event).await?;
                assert_eq!(
                    result.status(),
                    Status::Duplicate,
                    "after a kill: {result:?}"
                );
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        customer: &str,
        name: &str,
        properties: &[(&str, Value)],
    ) -> anyhow::Result<()> {
        let id = format!("e{}", self.sent.len());
        let mut event = event_with(customer, &id, name, properties);
        event.occurred_at = Some(timestamp_to_wire(self.started_at));
        let result = send(&self.world.client, event.clone()).await?;
        assert_eq!(result.status(), Status::Accepted, "{event:?}: {result:?}");
        if self.repeats {
            let result = send(&self.world.client, event.clone()).await?;
            assert_eq!(result.status(), Status::Duplicate, "{event:?}: {result:?}");
        }
        self.sent.push(event);
        Ok(())
    }

    /// Everything that enters a journey; each wait begins.
    async fn first_events(&mut self) -> anyhow::Result<()> {
        // Not before the process is up: what is due in seconds is to be in the future.
        let now = jiff::Timestamp::now().as_millisecond();
        self.started_at = Timestamp::from_unix_ms(now);
        let verified = [("verified", Value::Bool(true))];
        // 1. A condition that never comes, one that was true before, one that becomes true.
        self.send("never_comes", "waits_briefly", &[]).await?;
        self.send("was_true", "identify", &verified).await?;
        self.send("becomes_true", "waits_long", &[]).await?;
        // 2. Two appointments; the reminder of the second is due in 3 seconds.
        let soon = self.started_at.plus(TimeSpan::from_secs(86_403));
        let later = self.started_at.plus(TimeSpan::from_hours(24 * 30));
        for (appointment, day) in [("a1", later), ("a2", soon)] {
            let booked = [
                text("appointment", appointment),
                text("day", &day.to_string()),
            ];
            self.send("patient", "appointment_booked", &booked).await?;
        }
        // 3. The same keyed event twice.
        self.send("signer", "contract_signed", &[text("contract", "k1")])
            .await?;
        // 4. Local time, in the customer's zone and in the journey's.
        self.send(
            "new_yorker",
            "identify",
            &[text("zone", "America/New_York")],
        )
        .await?;
        self.send("new_yorker", "sleeps", &[]).await?;
        self.send("londoner", "sleeps", &[]).await?;
        // 5. Re-entry.
        self.send("regular", "comes_back", &[]).await?;
        // 6. A date that is past, and every unit.
        self.send(
            "late_one",
            "was_booked",
            &[text("day", "2026-01-10T00:00:00Z")],
        )
        .await?;
        self.send("patient_one", "takes_its_time", &[]).await?;
        // 7. A past event with a property.
        self.send("chooser", "purchase", &[text("sku", "cap")])
            .await?;
        self.send("chooser", "chooses", &[]).await
    }

    /// Everything that moves what waits.
    async fn second_events(&mut self) -> anyhow::Result<()> {
        self.send("was_true", "waits_briefly", &[]).await?;
        self.send(
            "becomes_true",
            "identify",
            &[("verified", Value::Bool(true))],
        )
        .await?;
        self.send(
            "patient",
            "appointment_cancelled",
            &[text("appointment", "a1")],
        )
        .await?;
        self.send("signer", "contract_signed", &[text("contract", "k1")])
            .await?;
        self.send("regular", "comes_back", &[]).await?;
        self.send("chooser", "purchase", &[text("sku", "hat")])
            .await?;
        self.send("chooser", "chooses", &[]).await
    }

    /// The last branch.
    async fn third_events(&mut self) -> anyhow::Result<()> {
        let grown_up = [text("plan", "gold"), ("age", Value::Int(18))];
        self.send("chooser", "identify", &grown_up).await?;
        self.send("chooser", "chooses", &[]).await
    }

    /// Takes effects until so many are known, each acknowledged.
    async fn take_effects(&mut self, n_effects: usize) -> anyhow::Result<()> {
        let mut session = self.world.client.work(wire::Subscribe::default()).await?;
        let mut unanswered = BTreeSet::new();
        let n_taken = |run: &Self| run.effects.values().map(BTreeSet::len).sum::<usize>();
        while n_taken(self) < n_effects || !unanswered.is_empty() {
            match session.next().await? {
                WorkerMessage::Effect(effect) => {
                    let what = (
                        effect.customer_id.clone(),
                        effect.content.clone(),
                        effect.rendered["body"].clone(),
                    );
                    let ids = self.effects.entry(what).or_default();
                    ids.insert(effect.effect_id.clone());
                    unanswered.insert(effect.effect_id.clone());
                    let outcome = wire::Outcome {
                        effect_id: effect.effect_id.clone(),
                        attempt: effect.attempt,
                        result: Outcome::Sent.into(),
                        ..Default::default()
                    };
                    session.settle(vec![outcome]).await?;
                }
                WorkerMessage::Results(results) => {
                    for result in results {
                        unanswered.remove(&result.effect_id);
                    }
                }
            }
        }
        Ok(())
    }
}

fn text<'a>(name: &'a str, value: &str) -> (&'a str, Value) {
    (name, Value::Text(value.to_owned()))
}

/// The running instances of a customer.
async fn instances(world: &World, customer: &str) -> anyhow::Result<Vec<wire::Instance>> {
    let request = wire::ListInstancesRequest {
        customer_id: customer.to_owned(),
        ..Default::default()
    };
    Ok(world.client.list_instances(request).await?.instances)
}

/// When an instance came to its step and when its timer is due.
fn wait_of(instance: &wire::Instance) -> (Timestamp, Timestamp) {
    let instant = |at: &Option<pbjson_types::Timestamp>| wire_to_timestamp(at.as_ref().unwrap());
    (
        instant(&instance.step_entered_at),
        instant(&instance.next_timer_at),
    )
}
