//! The demo's worker: takes every message and acknowledges it, as a sender that always succeeds.

use std::sync::Arc;

use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, WorkerMessage, wire};

use crate::demo::traffic::Traffic;

pub(crate) async fn run(client: Client, traffic: Arc<Traffic>) -> anyhow::Result<()> {
    let subscribe = wire::Subscribe {
        worker: "demo".to_owned(),
        credit: 1_000,
        ..Default::default()
    };
    let mut session = client.work(subscribe).await?;
    loop {
        if let WorkerMessage::Effect(effect) = session.next().await? {
            traffic.delivered();
            let outcome = wire::Outcome {
                effect_id: effect.effect_id.clone(),
                attempt: effect.attempt,
                result: Outcome::Sent.into(),
                retry_after: None,
                reason: String::new(),
                answer: None,
            };
            session.settle(vec![outcome]).await?;
        }
    }
}
