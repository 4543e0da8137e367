//! Workers: each takes effects at one node and answers them at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, ClientError, WorkerMessage, WorkerSession, wire};

use super::History;

/// How long a worker waits for something before it looks whether it is to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long it waits for a stream to open.
const OPEN_MAX: Duration = Duration::from_secs(3);

/// Works until told to stop, over as many streams as it takes.
pub(super) async fn work(address: String, history: Arc<History>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let opened = tokio::time::timeout(OPEN_MAX, open(&address)).await;
        if let Ok(Ok(session)) = opened {
            take_effects(session, &history, &stop).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn open(address: &str) -> Result<WorkerSession, ClientError> {
    let client = Client::connect(address).await?;
    client.work(wire::Subscribe::default()).await
}

async fn take_effects(mut session: WorkerSession, history: &History, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let next = tokio::time::timeout(LOOK_INTERVAL, session.next()).await;
        let effect = match next {
            Ok(Ok(WorkerMessage::Effect(effect))) => effect,
            Err(_) | Ok(Ok(WorkerMessage::Results(_))) => continue,
            Ok(Err(_)) => return,
        };
        history.handed_over(&effect);
        let outcome = wire::Outcome {
            effect_id: effect.effect_id,
            attempt: effect.attempt,
            result: Outcome::Sent.into(),
            ..Default::default()
        };
        if session.settle(vec![outcome]).await.is_err() {
            return;
        }
    }
}
