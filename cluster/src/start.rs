//! `journeyd start`: a node until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::node::RunningNode;
use crate::seams::Seams;

/// Runs the node until Ctrl-C or SIGTERM.
pub(crate) async fn run(config: &Config, seams: &Seams) -> anyhow::Result<()> {
    if !config.listen.ip().is_loopback() {
        tracing::warn!(listen = %config.listen, "serving without TLS on an address that is not loopback");
    }
    let node = RunningNode::start_with(config, seams).await?;
    let http = node.http_address().map(|address| address.to_string());
    tracing::info!(address = %node.address(), http = http.as_deref().unwrap_or("off"), data_dir = %config.data_dir.display(), "serving");
    let ended = tokio::select! {
        biased;
        () = stop_signal() => Ok(()),
        ended = node.failed() => Err(ended),
    };
    node.stop().await?;
    tracing::info!("stopped");
    Ok(ended?)
}

/// Completes on Ctrl-C or SIGTERM; never when signals cannot be listened to.
pub(crate) async fn stop_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
