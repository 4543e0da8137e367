//! Calls on other nodes about membership and health: rare, each on a connection of its own and with a deadline.

use std::time::Duration;

use journey_consensus::NewNode;
use journey_proto::internal as wire;
use journey_proto::internal::members_client::MembersClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A node that does not accept in that time counts as one that does not answer.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(1);
/// A join is two changes of the metadata, each of which may wait for an election.
const JOIN_WAIT_MAX: Duration = Duration::from_secs(15);
/// A report is read from memory.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(2);

/// Asks the node at that address to let this one in.
pub(crate) async fn join(
    address: &str,
    node: &NewNode,
    cluster: u64,
) -> Result<wire::JoinAnswer, Status> {
    let mut client = connect(address).await?;
    let mut request = Request::new(wire::JoinRequest {
        cluster,
        join_key: node.join_key.to_vec().into(),
        api_address: node.place.api_address.clone(),
        peer_address: node.place.peer_address.clone(),
        zone: node.place.zone.clone(),
        weight: node.place.weight,
    });
    request.set_timeout(JOIN_WAIT_MAX);
    Ok(client.join(request).await?.into_inner())
}

/// Asks the node at that address who it is and how it is.
pub(crate) async fn report(address: &str, with_replicas: bool) -> Result<wire::NodeReport, Status> {
    let mut client = connect(address).await?;
    let mut request = Request::new(wire::ReportRequest { with_replicas });
    request.set_timeout(REPORT_WAIT_MAX);
    Ok(client.report(request).await?.into_inner())
}

async fn connect(address: &str) -> Result<MembersClient<Channel>, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint
        .map_err(|error| Status::invalid_argument(format!("`{address}` is no address: {error}")))?;
    let endpoint = endpoint.connect_timeout(CONNECT_WAIT_MAX).tcp_nodelay(true);
    let channel = endpoint.connect().await;
    let channel = channel.map_err(|error| {
        Status::unavailable(format!("no connection to {address}: {}", cause(&error)))
    })?;
    Ok(MembersClient::new(channel))
}

/// What an error comes from at last: the outer ones only say that a connection failed.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
