//! What tests of several nodes need beside [`crate::world`]: a journey, clients, customers of every partition.

use std::collections::BTreeMap;

use journey_client::wire::event_result::Status;
use journey_client::{Client, wire};
use tests::{ClusterProcess, wait_until};

use crate::world::{event, send};

/// A message for each who signs up; an instance has completed once a worker settled it.
pub(crate) const HELLO: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps:
  greet: { message: { content: hi, channels: [push], await: sent }, next: end, on_error: end }
---
content: hi
variants: [ { channel: push, body: Hey } ]
";

/// A client of one node, which goes nowhere else.
pub(crate) async fn client_of(cluster: &ClusterProcess, at: usize) -> anyhow::Result<Client> {
    Ok(Client::connect(cluster.nodes()[at].address()).await?)
}

/// Sends one event to one node until it stands, and returns how: leaders may move at any time, and a refusal with `retry`
/// asks for the same event again.
pub(crate) async fn accept_in_time(
    client: &Client,
    event: wire::CustomerEvent,
) -> anyhow::Result<wire::EventResult> {
    let result = wait_until("the event to be accepted", || async {
        let result = send(client, event.clone()).await.ok()?;
        (!result.retry).then_some(result)
    })
    .await?;
    let stands = [Status::Accepted, Status::Duplicate].contains(&result.status());
    anyhow::ensure!(stands, "not accepted: {result:?}");
    Ok(result)
}

/// A customer of each partition.
pub(crate) async fn customers_of(
    client: &Client,
    n_partitions: u32,
) -> anyhow::Result<BTreeMap<u32, String>> {
    let mut customers = BTreeMap::new();
    let mut n = 0;
    while customers.len() < n_partitions as usize {
        let customer = format!("c{n}");
        let result = accept_in_time(client, event(&customer, "where", "seen")).await?;
        customers.insert(result.partition, customer);
        n += 1;
    }
    Ok(customers)
}
