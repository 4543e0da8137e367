//! Puts the services on a socket: limits, health, reflection, graceful end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use journey_proto::v1::cluster_service_server::ClusterServiceServer;
use journey_proto::v1::customer_service_server::CustomerServiceServer;
use journey_proto::v1::dead_letter_service_server::DeadLetterServiceServer;
use journey_proto::v1::ingest_service_server::IngestServiceServer;
use journey_proto::v1::journey_service_server::JourneyServiceServer;
use journey_proto::v1::quarantine_service_server::QuarantineServiceServer;
use journey_proto::v1::worker_service_server::WorkerServiceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::server::NamedService as _;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::cluster::ClusterApi;
use crate::customers::CustomerApi;
use crate::dead_letters::DeadLetterApi;
use crate::gate::Gate;
use crate::ingest::IngestApi;
use crate::journeys::JourneyApi;
use crate::limits::{CONNECTION_STREAMS_MAX, REQUEST_SIZE_BYTES_MAX};
use crate::node::Node;
use crate::observe::Observe;
use crate::quarantine::QuarantineApi;
use crate::workers::WorkerApi;

/// How long a silent connection is kept before it is probed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Why the API could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {reason}; choose another address with --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why; not also behind the error, where it would be told a second time.
        reason: std::io::Error,
    },
    /// The server failed while serving.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// Reflection could not be set up.
    #[error("server reflection failed: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Binds the address; port 0 takes a free one.
///
/// # Errors
/// [`ServeError::Bind`] with the flag that changes the address.
///
/// # Cancel safety
/// Safe.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|reason| ServeError::Bind { address, reason })
}

/// Serves the API until `shutdown` completes, then lets calls under way finish. `serving` is what `grpc.health.v1`
/// answers: false turns clients away without closing anything.
///
/// # Errors
/// [`ServeError`] when the server cannot start or fails.
///
/// # Cancel safety
/// Dropping it closes every connection at once; what was acknowledged is durable.
pub async fn serve(
    node: Arc<Node>,
    listener: TcpListener,
    serving: watch::Receiver<bool>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    let serves = *serving.borrow();
    tell_health(&health_reporter, serves).await;
    let telling = tokio::spawn(follow_health(health_reporter, serving));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(journey_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let ingest = IngestServiceServer::new(IngestApi::new(Arc::clone(&node)))
        .max_decoding_message_size(REQUEST_SIZE_BYTES_MAX);
    let journeys = JourneyServiceServer::new(JourneyApi::new(Arc::clone(&node)))
        .max_decoding_message_size(REQUEST_SIZE_BYTES_MAX);
    let customers = CustomerServiceServer::new(CustomerApi::new(Arc::clone(&node)));
    let cluster = ClusterServiceServer::new(ClusterApi::new(Arc::clone(&node)));
    let observe = Observe::new(Arc::clone(&node));
    let gate = Gate::new(Arc::clone(&node));
    let dead_letters = DeadLetterServiceServer::new(DeadLetterApi::new(Arc::clone(&node)));
    let quarantine = QuarantineServiceServer::new(QuarantineApi::new(Arc::clone(&node)));
    let workers = WorkerServiceServer::new(WorkerApi::new(node))
        .max_decoding_message_size(REQUEST_SIZE_BYTES_MAX);
    let served = Server::builder()
        .layer(observe)
        .layer(gate)
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .max_concurrent_streams(Some(CONNECTION_STREAMS_MAX))
        .initial_stream_window_size(Some(1 << 20))
        .initial_connection_window_size(Some(4 << 20))
        .add_service(health)
        .add_service(reflection)
        .add_service(ingest)
        .add_service(journeys)
        .add_service(customers)
        .add_service(workers)
        .add_service(dead_letters)
        .add_service(quarantine)
        .add_service(cluster)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            shutdown,
        )
        .await;
    telling.abort();
    Ok(served?)
}

/// Tells `grpc.health.v1` each time the node begins or ceases to serve.
async fn follow_health(reporter: HealthReporter, mut serving: watch::Receiver<bool>) {
    while serving.changed().await.is_ok() {
        let serves = *serving.borrow_and_update();
        tell_health(&reporter, serves).await;
    }
}

/// The node as a whole (the empty name) and each of its services serve, or none does.
async fn tell_health(reporter: &HealthReporter, serves: bool) {
    let status = if serves {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    let services = [
        "",
        IngestServiceServer::<IngestApi>::NAME,
        JourneyServiceServer::<JourneyApi>::NAME,
        CustomerServiceServer::<CustomerApi>::NAME,
        WorkerServiceServer::<WorkerApi>::NAME,
        DeadLetterServiceServer::<DeadLetterApi>::NAME,
        QuarantineServiceServer::<QuarantineApi>::NAME,
        ClusterServiceServer::<ClusterApi>::NAME,
    ];
    for service in services {
        reporter.set_service_status(service, status).await;
    }
}
