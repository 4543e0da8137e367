//! `kill -9` at random moments under mixed load (new runs, answers to waiting ones, repeats, events that are refused),
//! with the oracle outside the process: nothing acknowledged is lost, nothing takes effect twice, timers fire once,
//! effects keep their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_client::wire::event_result::Status;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, WorkerMessage, wire};
use journey_types::Value;
use rand::Rng as _;
use tests::{JOURNEYS, slow_tests_wanted, wait_until, wait_while_it_moves};
use tokio::sync::Mutex;

use crate::world::{World, counts, event, event_with};

const ROUNDS: u32 = 3;
const ROUNDS_SLOW: u32 = 30;
const CUSTOMERS: u64 = 40;
const BATCH: u64 = 20;

/// The numbered events of the load: which one it is follows from the number alone, so that any can be sent again.
fn nth_event(n: u64) -> wire::CustomerEvent {
    let id = format!("e{n}");
    let question = |n: u64| [("question", Value::Text(format!("q{n}")))];
    let customer = |n: u64| format!("c{}", n % CUSTOMERS);
    match n % 5 {
        0 | 1 => event(&customer(n), &id, "started"),
        2 => event_with(&customer(n), &id, "asked", &question(n)),
        // Every other question is left to its timer.
        3 if n.is_multiple_of(2) => event_with(&customer(n - 1), &id, "answered", &question(n - 1)),
        _ => event(&customer(n), &id, "seen"),
    }
}

pub(crate) fn n_runs(journey: &str, n_sent: u64) -> u64 {
    let name = if journey == "twice" {
        "started"
    } else {
        "asked"
    };
    (0..n_sent).filter(|n| nth_event(*n).name == name).count() as u64
}

/// What clients saw.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Numbers of the events answered `accepted` or, where the first answer was lost, `duplicate`.
    pub(crate) acknowledged: BTreeSet<u64>,
    pub(crate) n_sent: u64,
    n_repeats: u64,
    /// Effect ids by (content, key of the instance).
    pub(crate) effects: BTreeMap<(String, String), BTreeSet<String>>,
    /// Highest attempt seen of each effect.
    attempts: BTreeMap<String, u32>,
}

pub(crate) type Shared = Arc<Mutex<Oracle>>;

/// Sends batches until told to stop; what is not acknowledged is sent again with the same ids until it is.
pub(crate) async fn produce(
    addresses: Vec<String>,
    oracle: Shared,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut turns = addresses.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        let mut left: Vec<u64> = {
            let mut oracle = oracle.lock().await;
            let first = oracle.n_sent;
            oracle.n_sent += BATCH;
            (first..first + BATCH).collect()
        };
        while !left.is_empty() {
            let address = turns.next().expect("an address");
            left = send_once(address, left, &oracle).await;
            if !left.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    Ok(())
}

/// Sends events, with a repeat of one that was acknowledged and one that must be refused, and returns those that were
/// not acknowledged.
async fn send_once(address: &str, numbers: Vec<u64>, oracle: &Shared) -> Vec<u64> {
    let Ok(client) = Client::connect(address).await else {
        return numbers;
    };
    let mut events: Vec<wire::CustomerEvent> = numbers.iter().map(|n| nth_event(*n)).collect();
    let repeat = {
        let acknowledged = &oracle.lock().await.acknowledged;
        let last = acknowledged.last().copied().unwrap_or(0);
        let from = rand::rng().random_range(0..=last);
        acknowledged.range(from..).next().copied()
    };
    events.push(event("", "bad", "nobody"));
    events.extend(repeat.map(nth_event));
    let request = wire::IngestRequest { events, mode: 0 };
    let Ok(response) = client.ingest(request).await else {
        return numbers;
    };
    let mut oracle = oracle.lock().await;
    let mut results = response.results.into_iter();
    let mut left = Vec::new();
    for (n, result) in numbers.into_iter().zip(results.by_ref()) {
        match result.status() {
            Status::Accepted | Status::Duplicate => {
                oracle.acknowledged.insert(n);
            }
            Status::Rejected | Status::Unspecified => left.push(n),
        }
    }
    let bad = results.next().expect("a result for each event");
    assert_eq!(
        bad.status(),
        Status::Rejected,
        "an event of nobody: {bad:?}"
    );
    if let Some(repeated) = results.next() {
        oracle.n_repeats += 1;
        assert_ne!(
            repeated.status(),
            Status::Accepted,
            "event {repeat:?} was acknowledged before and took effect again"
        );
    }
    left
}

/// Takes effects and acknowledges them, over as many connections as it takes.
pub(crate) async fn work(
    addresses: Vec<String>,
    oracle: Shared,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut turns = addresses.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        let address = turns.next().expect("an address");
        if let Ok(client) = Client::connect(address).await
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
            retry_after: None,
            reason: String::new(),
            answer: None,
        };
        if session.settle(vec![outcome]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_loses_nothing_and_doubles_nothing() -> anyhow::Result<()> {
    let mut world = World::with_journeys(JOURNEYS).await?;
    let oracle = Shared::default();
    let (stop_producing, stop_working) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let address = world.node.address().to_owned();
    let producer = tokio::spawn(produce(
        vec![address.clone()],
        Arc::clone(&oracle),
        Arc::clone(&stop_producing),
    ));
    let worker = tokio::spawn(work(
        vec![address],
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
    let (n_twice, n_questions) = (n_runs("twice", n_sent), n_runs("question", n_sent));
    for (journey, n) in [("twice", n_twice), ("question", n_questions)] {
        let what = format!("instances of {journey} that complete");
        wait_while_it_moves(&what, || async {
            let counts = counts(&world.client, journey).await.ok()?;
            Some(n.saturating_sub(counts.completed))
        })
        .await?;
    }
    // Claims that a kill orphaned come back when they expire; the worker goes on until it has seen every effect.
    let n_effects = usize::try_from(n_twice * 2 + n_questions)?;
    let drained = tokio::time::Instant::now();
    wait_while_it_moves("effects that are handed over", || async {
        let n_seen = oracle.lock().await.effects.len();
        Some(n_effects.saturating_sub(n_seen) as u64)
    })
    .await?;
    eprintln!(
        "all effects seen {:.0} s after the last was due",
        drained.elapsed().as_secs_f64()
    );
    stop_working.store(true, Ordering::Relaxed);
    worker.await??;
    let twice = counts(&world.client, "twice").await?;
    assert_eq!(
        (twice.entered, twice.completed, twice.active),
        (n_twice, n_twice, 0),
        "entered once each"
    );
    assert_eq!(twice.timers_fired, n_twice, "every timer fired once");
    assert_eq!(twice.messages["first"], n_twice);
    assert_eq!(twice.messages["second"], n_twice);
    let question = counts(&world.client, "question").await?;
    assert_eq!(
        (question.entered, question.completed),
        (n_questions, n_questions)
    );
    assert_eq!(
        question.messages["thanks"], n_questions,
        "answered or reminded, never both"
    );
    let reminded = question.steps.get("remind").map_or(0, |step| step.entered);
    assert_eq!(
        question.timers_fired, reminded,
        "a timer that was disarmed never fires"
    );
    let oracle = oracle.lock().await;
    assert_eq!(
        oracle.acknowledged.len() as u64,
        n_sent,
        "every event was acknowledged in the end"
    );
    eprintln!(
        "{n_sent} events, {} repeats, {n_effects} effects, {reminded} of {n_questions} questions by timer",
        oracle.n_repeats
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
    let mut world = World::with_journeys(JOURNEYS).await?;
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
