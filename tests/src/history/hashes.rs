//! The state of every replica, as its node hashes it when it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_proto::internal as wire;
use journey_proto::internal::members_client::MembersClient;

use super::History;

/// Pause between two questions to one node.
const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// How long an answer may take before it is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Asks a node that listens there for its peers.
///
/// # Errors
/// When it does not answer.
///
/// # Cancel safety
/// Safe.
pub async fn state_hashes(peer: &str) -> anyhow::Result<Vec<wire::StateHash>> {
    let asked = async {
        let mut client = MembersClient::connect(format!("http://{peer}")).await?;
        let answer = client.hash_state(wire::HashStateRequest {}).await?;
        Ok::<_, anyhow::Error>(answer.into_inner().hashes)
    };
    tokio::time::timeout(ANSWER_MAX, asked).await?
}

/// Asks until told to stop, and holds each answer against those of others.
pub(super) async fn watch(peer: String, history: Arc<History>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        if let Ok(hashes) = state_hashes(&peer).await {
            for hash in &hashes {
                history.hashed(&peer, hash);
            }
        }
        tokio::time::sleep(ASK_INTERVAL).await;
    }
}
