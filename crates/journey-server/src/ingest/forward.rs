//! Events that another node decides, sent there in one request for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use futures::future::join_all;
use journey_customer::IngestMode;
use journey_proto::v1 as wire;
use journey_proto::v1::ingest_service_client::IngestServiceClient;
use journey_types::PartitionId;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::results::rejected;
use crate::limits::REQUEST_SIZE_BYTES_MAX;
use crate::node::Node;
use crate::router::{Leader, Target, hop_request, is_not_leader, named, reason_of};

/// Request metadata: nothing of a partition after what failed for now.
pub(super) const IN_ORDER: &str = "journey-in-order";

/// Events on their way to one node, in the order of their batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Forwarded {
    pub(super) partitions: Vec<PartitionId>,
    pub(super) events: Vec<wire::CustomerEvent>,
}

impl Forwarded {
    pub(super) fn push(&mut self, partition: PartitionId, event: wire::CustomerEvent) {
        self.partitions.push(partition);
        self.events.push(event);
    }

    /// The partitions, each once.
    pub(super) fn distinct(&self) -> BTreeSet<PartitionId> {
        self.partitions.iter().copied().collect()
    }
}

/// Tells an event from others of its producer without keeping it.
pub(super) fn fingerprint(event: &wire::CustomerEvent) -> u64 {
    let mut hasher = DefaultHasher::new();
    let parts = [
        &event.workspace,
        &event.customer_id,
        &event.anonymous_id,
        &event.source,
        &event.id,
    ];
    parts.hash(&mut hasher);
    hasher.finish()
}

pub(super) const fn mode_to_wire(mode: IngestMode) -> wire::IngestMode {
    match mode {
        IngestMode::Live => wire::IngestMode::Live,
        IngestMode::History => wire::IngestMode::History,
    }
}

/// Sends events to the node that leads their partitions, and once more those of which it says that another one does.
pub(super) async fn forward(
    node: Arc<Node>,
    leader: Leader,
    forwarded: Forwarded,
    (mode, in_order): (IngestMode, bool),
) -> Result<Vec<wire::EventResult>, Status> {
    let answered = forward_once(&node, &leader, forwarded.clone(), (mode, in_order)).await;
    let mut results = match answered {
        Err(status) if is_not_leader(&status) => refused_alike(&status, forwarded.events.len()),
        answered => answered?,
    };
    let mut again: BTreeMap<Leader, (Vec<usize>, Forwarded)> = BTreeMap::new();
    let all = forwarded.partitions.into_iter().zip(forwarded.events);
    for (position, (partition, event)) in all.enumerate() {
        let is_refused = results
            .get(position)
            .is_some_and(|result| result.reason == "NOT_LEADER");
        if !is_refused {
            continue;
        }
        node.routes().unlearn(partition);
        if let Target::There(next) = node.target(partition)
            && next != leader
        {
            let (positions, forwarded) = again.entry(next).or_default();
            positions.push(position);
            forwarded.push(partition, event);
        }
    }
    let sent = again.into_iter().map(|(next, (positions, forwarded))| {
        let node = &node;
        async move {
            (
                positions,
                forward_once(node, &next, forwarded, (mode, in_order)).await,
            )
        }
    });
    for (positions, answered) in join_all(sent).await {
        let n_events = positions.len();
        let answered = answered.unwrap_or_else(|status| refused_alike(&status, n_events));
        for (position, result) in positions.into_iter().zip(answered) {
            results[position] = result;
        }
    }
    Ok(results)
}

async fn forward_once(
    node: &Node,
    leader: &Leader,
    forwarded: Forwarded,
    (mode, in_order): (IngestMode, bool),
) -> Result<Vec<wire::EventResult>, Status> {
    let partitions = forwarded.distinct();
    let request = wire::IngestRequest {
        events: forwarded.events,
        mode: mode_to_wire(mode).into(),
    };
    let channel = node.channels().of(leader)?;
    let called = async {
        let mut service = ingest_service(channel);
        let mut request = hop_request(request, &[]);
        if in_order {
            let yes = MetadataValue::from_static("1");
            request.metadata_mut().insert(IN_ORDER, yes);
        }
        let answered = service.ingest(request).await?;
        Ok(answered.into_inner().results)
    };
    let answered: Result<_, Status> = node.until_replaced(leader, &partitions, called).await?;
    answered.map_err(|status| named(leader, status))
}

pub(super) fn ingest_service(channel: Channel) -> IngestServiceClient<Channel> {
    IngestServiceClient::new(channel).max_decoding_message_size(REQUEST_SIZE_BYTES_MAX)
}

/// The same refusal for each of some events.
pub(super) fn refused_alike(status: &Status, n_events: usize) -> Vec<wire::EventResult> {
    let is_retryable = matches!(
        status.code(),
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
    );
    // Without a reason of ours the connection broke, or time was up: nobody knows.
    let reason = reason_of(status).unwrap_or_else(|| "OUTCOME_UNKNOWN".to_owned());
    let delay = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    let after_ms = delay.map_or(0, |delay| delay.as_millis());
    let result = wire::EventResult {
        retry_after_ms: u32::try_from(after_ms).unwrap_or(u32::MAX),
        ..rejected(&reason, status.message().to_owned(), is_retryable)
    };
    vec![result; n_events]
}
