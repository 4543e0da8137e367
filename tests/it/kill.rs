//! `kill -9` at random moments under load, with the oracle outside the process: nothing acknowledged is lost, nothing
//! takes effect twice, timers fire once, effects keep their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_client::wire::event_result::Status;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, WorkerMessage, wire};
use rand::Rng as _;
use tests::{slow_tests_wanted, wait_until};
use tokio::sync::Mutex;

use crate::world::{World, counts, event};

/// Every event enters an instance, which sends one message at once and one after its timer.
const JOURNEY: &str = "\
journey: twice
entry: [ { event: started } ]
key: event.id
steps:
  now: { message: { content: first, channels: [push] }, next: rest }
  rest: { delay: 2s, next: later }
  later: { message: { content: second, channels: [push] }, next: end }
---
content: first
variants: [ { channel: push, body: '{{ instance.key }}' } ]
---
content: second
variants: [ { channel: push, body: '{{ instance.key }}' } ]
";

const ROUNDS: u32 = 3;
const ROUNDS_SLOW: u32 = 10;
const CUSTOMERS: u32 = 40;
const BATCH: u64 = 20;

/// What clients saw.
#[derive(Debug, Default)]
struct Oracle {
    /// Events answered `accepted` or, on a repeat, `duplicate`.
    acknowledged: BTreeSet<String>,
    n_sent: u64,
    /// Effect ids by (content, key of the instance).
    effects: BTreeMap<(String, String), BTreeSet<String>>,
    /// Highest attempt seen of each effect.
    attempts: BTreeMap<String, u32>,
}

type Shared = Arc<Mutex<Oracle>>;

/// Sends batches until told to stop; a batch that fails is sent again with the same ids until it is answered.
async fn produce(address: String, oracle: Shared, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let events: Vec<wire::CustomerEvent> = {
            let mut oracle = oracle.lock().await;
            let first = oracle.n_sent;
            oracle.n_sent += BATCH;
            (first..first + BATCH)
                .map(|n| {
                    event(
                        &format!("c{}", n % u64::from(CUSTOMERS)),
                        &format!("e{n}"),
                        "started",
                    )
                })
                .collect()
        };
        let mut left = events;
        while !left.is_empty() {
            left = send_once(&address, left, &oracle).await;
            if !left.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    Ok(())
}

/// Sends events and returns those that were not acknowledged.
async fn send_once(
    address: &str,
    events: Vec<wire::CustomerEvent>,
    oracle: &Shared,
) -> Vec<wire::CustomerEvent> {
    let Ok(client) = Client::connect(address).await else {
        return events;
    };
    let request = wire::IngestRequest {
        events: events.clone(),
        mode: 0,
    };
    let Ok(response) = client.ingest(request).await else {
        return events;
    };
    let mut oracle = oracle.lock().await;
    let mut left = Vec::new();
    for (event, result) in events.into_iter().zip(response.results) {
        match result.status() {
            Status::Accepted | Status::Duplicate => {
                oracle.acknowledged.insert(event.id);
            }
            Status::Rejected | Status::Unspecified => left.push(event),
        }
    }
    left
}

/// Takes effects and acknowledges them, over as many connections as it takes.
async fn work(address: String, oracle: Shared, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        if let Ok(client) = Client::connect(&address).await
            && let Ok(session) = client.work(wire::Subscribe::default()).await
        {
            take_effects(session, &oracle, &stop).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn take_effects(
    mut session: journey_client::WorkerSession,
    oracle: &Shared,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let next = tokio::time::timeout(Duration::from_millis(200), session.next()).await;
        let effect = match next {
            Err(_) => continue,
            Ok(Err(_)) => return,
            Ok(Ok(WorkerMessage::Results(_))) => continue,
            Ok(Ok(WorkerMessage::Effect(effect))) => effect,
        };
        {
            let mut oracle = oracle.lock().await;
            let instance = (effect.content.clone(), effect.rendered["body"].clone());
            oracle
                .effects
                .entry(instance)
                .or_default()
                .insert(effect.effect_id.clone());
            let last = oracle.attempts.entry(effect.effect_id.clone()).or_insert(0);
            assert!(
                effect.attempt >= *last,
                "attempts of {} go back",
                effect.effect_id
            );
            *last = effect.attempt;
        }
        let outcome = wire::Outcome {
            effect_id: effect.effect_id.clone(),
            attempt: effect.attempt,
            result: Outcome::Sent.into(),
            reason: String::new(),
        };
        if session.settle(vec![outcome]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_loses_nothing_and_doubles_nothing() -> anyhow::Result<()> {
    let mut world = World::with_journeys(JOURNEY).await?;
    let oracle = Shared::default();
    let (stop_producing, stop_working) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let address = world.node.address().to_owned();
    let producer = tokio::spawn(produce(
        address.clone(),
        Arc::clone(&oracle),
        Arc::clone(&stop_producing),
    ));
    let worker = tokio::spawn(work(
        address,
        Arc::clone(&oracle),
        Arc::clone(&stop_working),
    ));
    let rounds = if slow_tests_wanted() {
        ROUNDS_SLOW
    } else {
        ROUNDS
    };
    for round in 0..rounds {
        // A random amount of progress, not of time: the kill falls at another moment of a commit in each round.
        let target = oracle.lock().await.acknowledged.len() + rand::rng().random_range(50..400);
        wait_until("events to be acknowledged", || async {
            (oracle.lock().await.acknowledged.len() >= target).then_some(())
        })
        .await?;
        world.crash().await?;
        eprintln!("round {round}: killed after {target} acknowledged events");
    }
    stop_producing.store(true, Ordering::Relaxed);
    producer.await??;
    let n_sent = oracle.lock().await.n_sent;
    wait_until("every instance to complete", || async {
        let counts = counts(&world.client, "twice").await.ok()?;
        (counts.completed == n_sent).then_some(())
    })
    .await?;
    // Claims that a kill orphaned come back when they expire; the worker goes on until it has seen every effect.
    let n_effects = usize::try_from(n_sent)? * 2;
    wait_until("every effect to be handed over", || async {
        (oracle.lock().await.effects.len() == n_effects).then_some(())
    })
    .await?;
    stop_working.store(true, Ordering::Relaxed);
    worker.await??;
    let counts = counts(&world.client, "twice").await?;
    assert_eq!(
        (counts.entered, counts.completed, counts.active),
        (n_sent, n_sent, 0),
        "entered once each"
    );
    assert_eq!(counts.timers_fired, n_sent, "every timer fired once");
    assert_eq!(counts.messages["first"], n_sent);
    assert_eq!(counts.messages["second"], n_sent);
    let oracle = oracle.lock().await;
    assert_eq!(
        oracle.acknowledged.len() as u64,
        n_sent,
        "every event was acknowledged in the end"
    );
    for (instance, ids) in &oracle.effects {
        assert_eq!(
            ids.len(),
            1,
            "the effect of {instance:?} has several ids: {ids:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_timer_survives_a_kill_and_fires_once() -> anyhow::Result<()> {
    let mut world = World::with_journeys(JOURNEY).await?;
    crate::world::accept(&world.client, event("ann", "e1", "started")).await?;
    world.crash().await?;
    let repeat = crate::world::send(&world.client, event("ann", "e1", "started")).await?;
    assert_eq!(
        repeat.status(),
        Status::Duplicate,
        "remembered over the kill"
    );
    wait_until("the instance to complete", || async {
        let counts = counts(&world.client, "twice").await.ok()?;
        (counts.completed == 1).then_some(())
    })
    .await?;
    let counts = counts(&world.client, "twice").await?;
    assert_eq!((counts.entered, counts.timers_fired), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_graceful_stop_ends_with_code_zero_and_forgets_nothing() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    crate::world::accept(&world.client, event("ann", "e1", "seen")).await?;
    assert!(world.node.terminate()?.success());
    world.expect_no_warnings();
    world.node.restart()?;
    world.client = Client::connect(world.node.address()).await?;
    let repeat = crate::world::send(&world.client, event("ann", "e1", "seen")).await?;
    assert_eq!(repeat.status(), Status::Duplicate);
    Ok(())
}

#[tokio::test]
async fn a_state_without_its_log_is_refused_by_name() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    crate::world::accept(&world.client, event("ann", "e1", "seen")).await?;
    assert!(world.node.terminate()?.success());
    std::fs::remove_dir_all(world.folder.path().join("data/log"))?;
    let refused = world.node.restart().unwrap_err().to_string();
    assert!(refused.contains("log"), "{refused}");
    assert!(!refused.contains("panicked"), "{refused}");
    Ok(())
}
