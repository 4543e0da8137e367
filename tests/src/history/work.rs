//! Workers: each takes effects at one node and answers them at once, and says so again until it has a result, as
//! [`journey_client::ClusterWorker`] does, but never at another node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, ClientError, WorkerMessage, WorkerSession, wire};
use tokio::time::Instant;

use super::History;

/// How long a worker waits for something before it looks whether it is to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long it waits for a stream to open.
const OPEN_MAX: Duration = Duration::from_secs(3);
/// Outcomes of one message.
const OUTCOMES_AT_ONCE: usize = 1_000;

/// Outcomes without a result, by effect and attempt.
type Unsettled = BTreeMap<(String, u32), wire::Outcome>;

/// Works until told to stop, over as many streams as it takes.
pub(super) async fn work(address: String, history: Arc<History>, stop: Arc<AtomicBool>) {
    let mut unsettled = Unsettled::new();
    while !stop.load(Ordering::Relaxed) {
        let opened = tokio::time::timeout(OPEN_MAX, open(&address)).await;
        if let Ok(Ok(session)) = opened {
            // Whatever ended it, another one is opened.
            drop(take_effects(session, (&history, &stop), &mut unsettled).await);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn open(address: &str) -> Result<WorkerSession, ClientError> {
    let client = Client::connect(address).await?;
    client.work(wire::Subscribe::default()).await
}

async fn take_effects(
    mut session: WorkerSession,
    (history, stop): (&History, &AtomicBool),
    unsettled: &mut Unsettled,
) -> Result<(), ClientError> {
    settle_again(&session, unsettled).await?;
    let mut refused_at = None;
    while !stop.load(Ordering::Relaxed) {
        if refused_at.is_some_and(|at: Instant| at.elapsed() > LOOK_INTERVAL) {
            refused_at = None;
            settle_again(&session, unsettled).await?;
        }
        let next = tokio::time::timeout(LOOK_INTERVAL, session.next()).await;
        let effect = match next {
            Ok(Ok(WorkerMessage::Effect(effect))) => effect,
            Ok(Ok(WorkerMessage::Results(results))) => {
                for result in results {
                    if result.retry {
                        refused_at.get_or_insert_with(Instant::now);
                    } else {
                        unsettled.remove(&(result.effect_id, result.attempt));
                    }
                }
                continue;
            }
            Err(_) => continue,
            Ok(Err(error)) => return Err(error),
        };
        history.handed_over(&effect);
        let name = (effect.effect_id.clone(), effect.attempt);
        let outcome = wire::Outcome {
            effect_id: effect.effect_id,
            attempt: effect.attempt,
            result: Outcome::Sent.into(),
            ..Default::default()
        };
        unsettled.insert(name, outcome.clone());
        session.settle(vec![outcome]).await?;
    }
    Ok(())
}

async fn settle_again(session: &WorkerSession, unsettled: &Unsettled) -> Result<(), ClientError> {
    let outcomes: Vec<wire::Outcome> = unsettled.values().cloned().collect();
    for part in outcomes.chunks(OUTCOMES_AT_ONCE) {
        session.settle(part.to_vec()).await?;
    }
    Ok(())
}
