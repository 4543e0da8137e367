//! Producers: each sends the events of its customers to one node after another.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_client::{Client, wire};
use rand::Rng as _;

use super::History;

/// How long a producer waits for an answer before it goes on at another node: what became of the events is unknown then.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Sends until told to stop and everything begun is acknowledged.
pub(super) async fn produce(
    (addresses, history): (Vec<String>, Arc<History>),
    customers: Range<u32>,
    pause: Duration,
    stop: Arc<AtomicBool>,
) {
    let mut clients: BTreeMap<&String, Client> = BTreeMap::new();
    let mut turns = addresses.iter().cycle();
    loop {
        let due = history.due(customers.clone(), !stop.load(Ordering::Relaxed));
        let Some(address) = turns.next() else {
            return;
        };
        if due.is_empty() {
            return;
        }
        let repeat = history.to_repeat(rand::rng().random());
        let events = due.iter().chain(&repeat).map(|nth| nth.event()).collect();
        let answered = tokio::time::timeout(ANSWER_MAX, async {
            let client = match clients.get(address) {
                Some(client) => client.clone(),
                None => Client::connect(address).await?,
            };
            let request = wire::IngestRequest { events, mode: 0 };
            let answered = client.ingest(request).await?;
            Ok::<_, journey_client::ClientError>((client, answered.results))
        });
        match answered.await {
            Ok(Ok((client, results))) => {
                clients.insert(address, client);
                for (nth, result) in due.iter().zip(&results) {
                    history.answered(*nth, result);
                }
                if let (Some(nth), Some(result)) = (repeat, results.get(due.len())) {
                    history.repeated(nth, result);
                }
            }
            Ok(Err(_)) | Err(_) => {
                history.call_failed();
                clients.remove(address);
            }
        }
        tokio::time::sleep(pause).await;
    }
}
