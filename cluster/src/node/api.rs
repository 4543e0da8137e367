//! The public API on threads of its own: partitions decide batches for milliseconds at a time, and neither a refusal nor a
//! control call should wait behind them. The system shares the cores between both.

use std::future::Future;
use std::sync::Arc;

use journey_server::{Node, ServeError, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::DRAIN_MAX;
use super::error::NodeError;

/// Threads at least, so that one that converts a large batch does not keep all others waiting.
const THREADS_MIN: usize = 2;

/// The API while it is served. Dropping it closes every connection.
#[derive(Debug)]
pub(super) struct Api {
    runtime: Option<Runtime>,
    server: JoinHandle<()>,
    shutdown: Option<oneshot::Sender<()>>,
}

impl Api {
    /// Serves until it is stopped; `failed` is told what ends it before.
    pub(super) fn start<F>(
        node: Arc<Node>,
        listener: TcpListener,
        serving: watch::Receiver<bool>,
        failed: F,
    ) -> Result<Self, NodeError>
    where
        F: FnOnce(ServeError) + Send + 'static,
    {
        let n_threads = std::thread::available_parallelism().map_or(THREADS_MIN, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(n_threads.max(THREADS_MIN))
            .thread_name("journeyd-api")
            .enable_all()
            .build()
            .map_err(|error| NodeError::Task(format!("the API's runtime: {error}")))?;
        // It was bound where the node starts; its connections belong here.
        let listener = listener.into_std().map_err(NodeError::LocalAddress)?;
        let (shutdown, stop) = oneshot::channel();
        let stopped = async move { drop(stop.await) };
        let served = served(node, listener, serving, stopped);
        let server = runtime.spawn(async move {
            if let Err(error) = served.await {
                failed(error);
            }
        });
        Ok(Self {
            runtime: Some(runtime),
            server,
            shutdown: Some(shutdown),
        })
    }

    /// Takes in no more calls and waits a while for those under way.
    pub(super) async fn stop(&mut self) {
        // A dropped sender ends the wait just as well.
        drop(self.shutdown.take());
        if tokio::time::timeout(DRAIN_MAX, &mut self.server)
            .await
            .is_err()
        {
            self.server.abort();
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn served(
    node: Arc<Node>,
    listener: std::net::TcpListener,
    serving: watch::Receiver<bool>,
    stopped: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let address = listener.local_addr();
    let listener = TcpListener::from_std(listener).map_err(|reason| ServeError::Bind {
        address: address.unwrap_or_else(|_| ([0, 0, 0, 0], 0).into()),
        reason,
    })?;
    serve(node, listener, serving, stopped).await
}
