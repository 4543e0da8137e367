//! Wraps every call: a span with its operation and a request id, its duration, its code.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::time::Instant;
use tonic::Code;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument as _;

use crate::api_metrics::OTHER;
use crate::node::Node;

/// The header that names a request, in every answer; callers may set it, and support may be told it.
const REQUEST_ID: &str = "x-request-id";
/// Longest request id of a caller that is taken over.
const REQUEST_ID_SIZE_BYTES_MAX: usize = 64;

/// The layer.
#[derive(Debug, Clone)]
pub(crate) struct Observe {
    node: Arc<Node>,
    /// Operation by path, so that the label is bounded by what exists.
    ops: Arc<BTreeMap<String, &'static str>>,
    n_requests: Arc<AtomicU64>,
}

impl Observe {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            ops: Arc::new(operations()),
            n_requests: Arc::default(),
        }
    }

    /// The caller's id where it is short and plain, else one that is unique in this life of the node.
    fn request_id(&self, given: Option<&HeaderValue>) -> HeaderValue {
        let is_usable = |id: &&HeaderValue| {
            let is_plain =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !id.is_empty()
                && id.len() <= REQUEST_ID_SIZE_BYTES_MAX
                && id.as_bytes().iter().all(is_plain)
        };
        match given.filter(is_usable) {
            Some(id) => id.clone(),
            None => HeaderValue::from(self.n_requests.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// Every RPC of our descriptors. Leaked once per process start: labels live as long as the process.
fn operations() -> BTreeMap<String, &'static str> {
    let descriptors = FileDescriptorSet::decode(journey_proto::DESCRIPTORS).unwrap_or_default();
    let mut ops = BTreeMap::new();
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let op: &'static str = Box::leak(method.name().to_owned().into_boxed_str());
                ops.insert(path, op);
            }
        }
    }
    ops.insert("/grpc.health.v1.Health/Check".to_owned(), "HealthCheck");
    ops.insert("/grpc.health.v1.Health/Watch".to_owned(), "HealthWatch");
    ops
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        let observe = self.clone();
        Observed { observe, inner }
    }
}

/// A service with every call observed.
#[derive(Debug, Clone)]
pub(crate) struct Observed<S> {
    observe: Observe,
    inner: S,
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, B, R> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<Response<R>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let observe = &self.observe;
        let op = observe.ops.get(request.uri().path()).copied();
        let op = op.unwrap_or(OTHER);
        let id = observe.request_id(request.headers().get(REQUEST_ID));
        let span = tracing::debug_span!("request", op, request_id = id.to_str().unwrap_or(""));
        let begun = Instant::now();
        let answering = self.inner.call(request);
        let node = Arc::clone(&observe.node);
        let observed = async move {
            let mut answer = answering.await;
            if let Ok(answer) = &mut answer {
                let code = code_of(answer);
                node.metrics().answered(op, code, begun.elapsed());
                answer.headers_mut().insert(REQUEST_ID, id);
                tracing::debug!(code = i32::from(code), "request answered");
            }
            answer
        };
        Box::pin(observed.instrument(span))
    }
}

/// The code where the answer is one without a body; what goes wrong later in a stream is not seen here.
fn code_of<R>(answer: &Response<R>) -> Code {
    let code = answer.headers().get("grpc-status");
    code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}
