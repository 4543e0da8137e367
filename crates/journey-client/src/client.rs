//! A connection to a node and its unary calls.

use journey_proto::v1 as wire;
use journey_proto::v1::cluster_service_client::ClusterServiceClient;
use journey_proto::v1::customer_service_client::CustomerServiceClient;
use journey_proto::v1::dead_letter_service_client::DeadLetterServiceClient;
use journey_proto::v1::ingest_service_client::IngestServiceClient;
use journey_proto::v1::journey_service_client::JourneyServiceClient;
use journey_proto::v1::quarantine_service_client::QuarantineServiceClient;
use journey_proto::v1::worker_service_client::WorkerServiceClient;
use prost::bytes::Bytes;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::encoded::EncodedIngest;
use crate::error::{ClientError, root_cause};
use crate::ingest::IngestSession;
use crate::limits::{
    CALL_MAX, CONNECT_TIMEOUT, DECODED_SIZE_BYTES_MAX, KEEPALIVE_ANSWER_MAX, KEEPALIVE_INTERVAL,
};
use crate::worker::WorkerSession;

/// A client of one node. Cheap to clone: clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

macro_rules! unary {
    ($(#[$doc:meta])* $name:ident, $service:ident, $request:ident => $response:ident) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`ClientError::Refused`] with the node's reason and details.
        ///
        /// # Cancel safety
        /// Dropping the future abandons the answer; the call may have taken effect.
        pub async fn $name(&self, request: wire::$request) -> Result<wire::$response, ClientError> {
            Ok(self.$service().$name(bounded(request)).await?.into_inner())
        }
    };
}

impl Client {
    /// Connects to a node at an address such as `http://127.0.0.1:7701` (`http://` may be left out); of several, divided
    /// by commas, to the first that answers.
    ///
    /// # Errors
    /// [`ClientError::Address`] when it is no address, [`ClientError::Unreachable`] when nobody answers in 5 s.
    ///
    /// # Cancel safety
    /// Safe: nothing is left behind.
    pub async fn connect(addresses: &str) -> Result<Self, ClientError> {
        let (mut asked, mut last) = (Vec::new(), None);
        for address in addresses
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            match endpoint(address)?.connect().await {
                Ok(channel) => return Ok(Self { channel }),
                Err(error) => {
                    asked.push(with_scheme(address));
                    last = Some(root_cause(&error));
                }
            }
        }
        Err(last.map_or_else(
            || ClientError::Address {
                address: addresses.to_owned(),
            },
            |reason| ClientError::Unreachable {
                address: asked.join(", "),
                reason,
            },
        ))
    }

    /// The same, connecting when the first call is made and again when the connection is gone.
    pub(crate) fn lazy(address: &str) -> Result<Self, ClientError> {
        let channel = endpoint(address)?.connect_lazy();
        Ok(Self { channel })
    }

    /// Whether the node says that it serves (`grpc.health.v1`).
    ///
    /// # Errors
    /// [`ClientError::Refused`] when it does not answer.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn is_serving(&self) -> Result<bool, ClientError> {
        let request = HealthCheckRequest {
            service: String::new(),
        };
        let mut health = HealthClient::new(self.channel.clone());
        let answer = health.check(request).await?.into_inner();
        Ok(answer.status() == ServingStatus::Serving)
    }

    fn ingest_service(&self) -> IngestServiceClient<Channel> {
        IngestServiceClient::new(self.channel.clone())
            .max_decoding_message_size(DECODED_SIZE_BYTES_MAX)
    }

    fn journey_service(&self) -> JourneyServiceClient<Channel> {
        JourneyServiceClient::new(self.channel.clone())
            .max_decoding_message_size(DECODED_SIZE_BYTES_MAX)
    }

    fn cluster_service(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel.clone())
            .max_decoding_message_size(DECODED_SIZE_BYTES_MAX)
    }

    fn customer_service(&self) -> CustomerServiceClient<Channel> {
        CustomerServiceClient::new(self.channel.clone())
            .max_decoding_message_size(DECODED_SIZE_BYTES_MAX)
    }

    fn dead_letter_service(&self) -> DeadLetterServiceClient<Channel> {
        DeadLetterServiceClient::new(self.channel.clone())
            .max_decoding_message_size(DECODED_SIZE_BYTES_MAX)
    }

    fn quarantine_service(&self) -> QuarantineServiceClient<Channel> {
        QuarantineServiceClient::new(self.channel.clone())
            .max_decoding_message_size(DECODED_SIZE_BYTES_MAX)
    }

    fn worker_service(&self) -> WorkerServiceClient<Channel> {
        WorkerServiceClient::new(self.channel.clone())
            .max_decoding_message_size(DECODED_SIZE_BYTES_MAX)
    }

    unary!(
        /// Sends one batch of events and waits until it is durable.
        ingest, ingest_service, IngestRequest => IngestResponse
    );
    unary!(
        /// Checks documents without publishing them.
        check_journeys, journey_service, CheckJourneysRequest => CheckJourneysResponse
    );
    unary!(
        /// Publishes documents, all or none.
        publish_journeys, journey_service, PublishJourneysRequest => PublishJourneysResponse
    );
    unary!(
        /// Waits until every partition decides with a published revision.
        await_revision, journey_service, AwaitRevisionRequest => AwaitRevisionResponse
    );
    unary!(
        /// Lists journeys, one page.
        list_journeys, journey_service, ListJourneysRequest => ListJourneysResponse
    );
    unary!(
        /// Reads one journey.
        get_journey, journey_service, GetJourneyRequest => GetJourneyResponse
    );
    unary!(
        /// Reads the counts of one journey.
        get_journey_counts, journey_service, GetJourneyCountsRequest => GetJourneyCountsResponse
    );
    unary!(
        /// Enrolls customers into a journey; each is answered for itself.
        enroll, journey_service, EnrollRequest => EnrollResponse
    );
    unary!(
        /// Reads one customer.
        get_customer, customer_service, GetCustomerRequest => GetCustomerResponse
    );
    unary!(
        /// Lists customers, one page.
        list_customers, customer_service, ListCustomersRequest => ListCustomersResponse
    );
    unary!(
        /// Lists the running instances of one customer.
        list_instances, customer_service, ListInstancesRequest => ListInstancesResponse
    );
    unary!(
        /// Reads the latest turns of one customer.
        get_timeline, customer_service, GetTimelineRequest => GetTimelineResponse
    );

    unary!(
        /// Reads which node leads which partition, and where customers lie.
        get_table, cluster_service, GetTableRequest => GetTableResponse
    );
    unary!(
        /// Reads how the cluster is as a whole.
        get_status, cluster_service, GetStatusRequest => GetStatusResponse
    );
    unary!(
        /// Lists the nodes.
        list_nodes, cluster_service, ListNodesRequest => ListNodesResponse
    );
    unary!(
        /// Lists the partitions with their replicas.
        list_partitions, cluster_service, ListPartitionsRequest => ListPartitionsResponse
    );
    unary!(
        /// Reads one partition with its replicas.
        describe_partition, cluster_service, DescribePartitionRequest => DescribePartitionResponse
    );
    unary!(
        /// Lets a node lead a partition. Safe to repeat.
        transfer_leader, cluster_service, TransferLeaderRequest => TransferLeaderResponse
    );
    unary!(
        /// Lets a node give its replicas away. Safe to repeat.
        drain_node, cluster_service, ChangeNodeRequest => ChangeNodeResponse
    );
    unary!(
        /// Lets a node that drains take replicas again. Safe to repeat.
        undrain_node, cluster_service, ChangeNodeRequest => ChangeNodeResponse
    );
    unary!(
        /// Takes a node out of the cluster for ever. Safe to repeat.
        remove_node, cluster_service, ChangeNodeRequest => ChangeNodeResponse
    );

    unary!(
        /// Lists dead letters, one page.
        list_dead_letters, dead_letter_service, ListSetAsideRequest => ListDeadLettersResponse
    );
    unary!(
        /// Reads one dead letter with all attempts.
        get_dead_letter, dead_letter_service, GetDeadLetterRequest => GetDeadLetterResponse
    );
    unary!(
        /// Hands dead letters over anew.
        replay_dead_letters, dead_letter_service,
        SetAsideRequest => SetAsideReport
    );
    unary!(
        /// Gives dead letters up.
        discard_dead_letters, dead_letter_service,
        SetAsideRequest => SetAsideReport
    );
    unary!(
        /// Lists quarantined commands, one page, and parked customers.
        list_quarantined, quarantine_service, ListSetAsideRequest => ListQuarantinedResponse
    );
    unary!(
        /// Reads one quarantined command with its event.
        get_quarantined, quarantine_service, GetQuarantinedRequest => GetQuarantinedResponse
    );
    unary!(
        /// Takes quarantined events in again.
        replay_quarantined, quarantine_service,
        SetAsideRequest => SetAsideReport
    );
    unary!(
        /// Gives quarantined commands up.
        discard_quarantined, quarantine_service,
        SetAsideRequest => SetAsideReport
    );
    unary!(
        /// Lets a parked customer go on.
        release_customer, quarantine_service, ReleaseCustomerRequest => ReleaseCustomerResponse
    );

    unary!(
        /// Records outcomes outside of a worker stream.
        settle, worker_service, SettleRequest => SettleResponse
    );
    unary!(
        /// Asks whether a hand-over still stands.
        confirm, worker_service, ConfirmRequest => ConfirmResponse
    );

    /// The same as [`Client::ingest`] with an `IngestRequest` that is encoded already.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the node's reason and details.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the answer; the call may have taken effect.
    pub async fn ingest_encoded(
        &self,
        request: Bytes,
    ) -> Result<wire::IngestResponse, ClientError> {
        let channel = self.channel.clone();
        let mut grpc = Grpc::new(channel).max_decoding_message_size(DECODED_SIZE_BYTES_MAX);
        let unavailable = |error| Status::unavailable(format!("the node was not ready: {error}"));
        grpc.ready().await.map_err(unavailable)?;
        let codec = EncodedIngest {
            size_bytes: request.len(),
        };
        let path = PathAndQuery::from_static(INGEST_PATH);
        let answer = grpc.unary(bounded(request), path, codec).await?;
        Ok(answer.into_inner())
    }

    /// The same as [`Client::ingest`], in order after failures too; a node that is asked directly answers `NOT_LEADER` for
    /// what it does not lead, with who does, instead of sending it on.
    pub(crate) async fn ingest_at(
        &self,
        request: wire::IngestRequest,
        is_direct: bool,
    ) -> Result<wire::IngestResponse, ClientError> {
        let mut request = bounded(request);
        let yes = MetadataValue::from_static("1");
        request.metadata_mut().insert(IN_ORDER, yes.clone());
        if is_direct {
            request.metadata_mut().insert(DIRECT, yes);
        }
        Ok(self.ingest_service().ingest(request).await?.into_inner())
    }

    /// Opens an ingest stream.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the node does not accept the stream.
    ///
    /// # Cancel safety
    /// Safe: nothing was sent.
    pub async fn ingest_stream(&self) -> Result<IngestSession, ClientError> {
        IngestSession::open(self.ingest_service()).await
    }

    /// Subscribes to effects.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the node refuses the subscription.
    ///
    /// # Cancel safety
    /// Safe: effects claimed for the abandoned stream are offered again after their `until`.
    pub async fn work(&self, subscribe: wire::Subscribe) -> Result<WorkerSession, ClientError> {
        WorkerSession::open(self.worker_service(), subscribe).await
    }
}

/// The call of [`Client::ingest`].
const INGEST_PATH: &str = "/journey.v1.IngestService/Ingest";
/// Request metadata: not to be sent on to another node.
const DIRECT: &str = "journey-hop";
/// Request metadata: nothing of a partition after what failed for now.
const IN_ORDER: &str = "journey-in-order";

/// A request with a deadline, which the node hears of too.
fn bounded<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_MAX);
    request
}

fn with_scheme(address: &str) -> String {
    if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

fn endpoint(address: &str) -> Result<Endpoint, ClientError> {
    let no_address = || ClientError::Address {
        address: address.to_owned(),
    };
    let endpoint = Endpoint::from_shared(with_scheme(address)).map_err(|_| no_address())?;
    // There is no TLS yet, and without its port an address would mean that of the web.
    let uri = endpoint.uri();
    if uri.scheme_str() != Some("http") || uri.port_u16().is_none() {
        return Err(no_address());
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        // A node that is frozen or cut off does not close its connections.
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_ANSWER_MAX)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20))
}
