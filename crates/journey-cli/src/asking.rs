//! A question to the cluster: any of the nodes that `--address` names may answer it, and none may take for ever.

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use journey_client::{Client, ClientError};

/// How long one node may take: it asks every other one, for three seconds at most.
pub(crate) const LOOK_MAX: Duration = Duration::from_secs(8);
/// How long one node may take to carry out a change: two elections, or what it waits for another node.
pub(crate) const CHANGE_MAX: Duration = Duration::from_secs(20);

/// Calls the first node that answers, in the order in which `--address` names them.
pub(crate) async fn ask<R, F>(
    addresses: &str,
    wait_max: Duration,
    call: impl Fn(Client) -> F,
) -> anyhow::Result<R>
where
    F: Future<Output = Result<R, ClientError>>,
{
    let mut failures = Vec::new();
    for address in addresses.split(',').map(str::trim) {
        let asked = async { call(Client::connect(address).await?).await };
        match tokio::time::timeout(wait_max, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if !error.is_retryable() => return Err(error.into()),
            Ok(Err(ClientError::Refused { status })) if status.details().is_empty() => {
                // Not a node's refusal, but what became of the connection.
                failures.push(anyhow::anyhow!(
                    "the connection to {address} broke ({}): the node is frozen, cut off or has just ended; give another \
                     one with --address",
                    status.message()
                ));
            }
            Ok(Err(error)) => failures.push(anyhow::Error::from(error)),
            Err(_) => failures.push(anyhow::anyhow!(
                "the node at {address} has not answered for {} s: it is frozen, cut off or busy; give another one with \
                 --address",
                wait_max.as_secs()
            )),
        }
    }
    let n_nodes = failures.len();
    if n_nodes == 1 {
        return Err(failures.pop().context("a failure was counted")?);
    }
    let reasons: Vec<String> = failures.iter().map(|error| format!("{error:#}")).collect();
    anyhow::bail!(
        "none of {n_nodes} nodes answered:\n  {}",
        reasons.join("\n  ")
    )
}
