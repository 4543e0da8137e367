//! The gate before ingest calls: refuses what is too much from the first bytes of a call, before anything is decoded.
//!
//! Decoding and checking a batch costs a good part of deciding it, so a node that did so only to refuse would spend on
//! refusals what it needs for work. Streams need no gate: a stream has a bounded number of batches under way and holds
//! back by itself. All other calls pass.

mod budget;
mod peek;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::ServerError;
use crate::limits::{PEEK_SIZE_BYTES_MAX, REQUEST_SIZE_BYTES_MAX, RETRY_AFTER_BUSY};
use crate::node::Node;
use crate::status::readable_answer;

pub use budget::IngestLimits;
pub(crate) use budget::{Budget, Full, Held};
use peek::{Peeked, peek};

/// The one call that the gate looks at.
const INGEST_PATH: &str = "/journey.v1.IngestService/Ingest";

/// The layer.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    node: Arc<Node>,
}

impl Gate {
    pub(crate) const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        let node = Arc::clone(&self.node);
        Gated { node, inner }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub(crate) struct Gated<S> {
    node: Arc<Node>,
    inner: S,
}

type Answering<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != INGEST_PATH {
            let answering = self.inner.call(request);
            return Box::pin(async move { answering.await.map(readable_answer) });
        }
        // The service that was polled ready is the one to call.
        let waiting = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, waiting);
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            match enter(&node, body).await {
                Ok((held, body)) => {
                    let answer = inner.call(Request::from_parts(head, body)).await;
                    drop(held);
                    answer.map(readable_answer)
                }
                Err(refused) => Ok(refused.into_http()),
            }
        })
    }
}

/// Lets a call in or refuses it: by its first bytes where there is no room at all, and once more when all of it is there,
/// so that one that comes slowly holds nothing. What was read goes in again before the rest.
async fn enter(node: &Node, mut body: Body) -> Result<(Held, Body), Status> {
    let mut frames = Vec::new();
    let mut begun = Vec::new();
    let mut n_read = 0;
    let mut peeked = Peeked::default();
    let mut is_judged = false;
    while !(is_judged && n_read >= peeked.body_size_bytes) && n_read <= REQUEST_SIZE_BYTES_MAX {
        let Some(frame) = body.frame().await else {
            break;
        };
        let frame = frame?;
        if let Some(bytes) = frame.data_ref() {
            n_read += bytes.len();
            if !is_judged {
                // Nearly always one frame holds enough: then nothing is copied.
                if begun.is_empty() {
                    peeked = peek(bytes);
                }
                if !begun.is_empty() || !peeked.is_enough {
                    begun.extend_from_slice(bytes);
                    peeked = peek(&begun);
                }
                is_judged = peeked.is_enough || n_read >= PEEK_SIZE_BYTES_MAX;
                if is_judged {
                    let room = node.budget().room(&peeked.workspace);
                    room.map_err(|full| refuse(node, &full, &peeked))?;
                }
            }
        }
        frames.push(Ok(frame));
    }
    let held = node
        .budget()
        .admit(&peeked.workspace, peeked.n_events.max(1), n_read)
        .map_err(|full| refuse(node, &full, &peeked))?;
    let frames = futures::stream::iter(frames).chain(BodyStream::new(body));
    Ok((held, Body::new(StreamBody::new(frames))))
}

fn refuse(node: &Node, full: &Full, peeked: &Peeked) -> Status {
    let n_events = peeked.n_events.max(1) as u64;
    node.metrics().shed(full.code(), n_events);
    let subject = match full {
        Full::Node { .. } => "node".to_owned(),
        Full::Workspace { .. } => format!("workspace:{}", peeked.workspace),
    };
    let refused = ServerError::Overloaded {
        cause: full.code(),
        subject,
        reason: full.to_string(),
        retry_after: RETRY_AFTER_BUSY,
    };
    refused.into()
}

#[cfg(test)]
mod tests;
