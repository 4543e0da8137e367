//! Health and metrics over HTTP: what probes, scrapers and people without a gRPC client ask.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::node::error::NodeError;
use crate::node::exposition::CONTENT_TYPE;
use crate::node::metrics;
use crate::node::observer::Observed;

/// Binds the address; port 0 takes a free one.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|reason| NodeError::BindHttp { address, reason })
}

/// Answers for ever; without a listener it only waits.
pub(crate) async fn serve(listener: Option<TcpListener>, observed: Arc<Observed>) {
    let listener = listener.map(tokio::net::TcpListener::from_std).transpose();
    match listener {
        Ok(None) => {}
        Ok(Some(listener)) => {
            if let Err(error) = axum::serve(listener, router(observed)).await {
                tracing::error!(%error, "health and metrics are not answered any more");
            }
        }
        Err(error) => tracing::error!(%error, "health and metrics are not answered"),
    }
    std::future::pending().await
}

fn router(observed: Arc<Observed>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .route("/metrics", get(answer_metrics))
        .route("/version", get(version))
        .with_state(observed)
}

/// Whether this node can serve, with every reason why not.
async fn readyz(State(observed): State<Arc<Observed>>) -> impl IntoResponse {
    let problems = observed.health.problems();
    if problems.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let reasons: String = problems
        .iter()
        .map(|problem| format!("{}: {}\n", problem.check, problem.reason))
        .collect();
    let text = format!("not ready\n{reasons}");
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// The same; `?verbose` names every check.
async fn healthz(
    State(observed): State<Arc<Observed>>,
    RawQuery(query): RawQuery,
) -> impl IntoResponse {
    let problems = observed.health.problems();
    let (code, word) = if problems.is_empty() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy\n")
    };
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
    let text = if is_verbose {
        let node = observed.watched().map(|watched| Arc::clone(&watched.node));
        let missing = node.map(|node| node.missing_connectors());
        let missing = missing.unwrap_or_default();
        let missing = missing.iter().map(|(connector, journeys)| {
            let journeys = journeys.join(", ");
            format!("connector {connector} is not configured: calls of {journeys} wait\n")
        });
        observed.health.verbose(&problems) + &missing.collect::<String>() + word
    } else {
        word.to_owned()
    };
    (code, text)
}

async fn answer_metrics(State(observed): State<Arc<Observed>>) -> impl IntoResponse {
    let text = metrics::text(&observed);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

async fn version() -> impl IntoResponse {
    let version = env!("CARGO_PKG_VERSION");
    let text = format!("{{\"name\":\"journeyd\",\"version\":\"{version}\"}}\n");
    ([(header::CONTENT_TYPE, "application/json")], text)
}
