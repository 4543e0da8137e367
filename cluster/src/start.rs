//! `journeyd start`: a node until it is told to stop.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::node::RunningNode;
use crate::seams::Seams;

/// Runs the node until Ctrl-C or SIGTERM, or, where that is asked for, until standard input closes.
pub(crate) async fn run(
    config: &Config,
    seams: &Seams,
    stops_with_stdin: bool,
) -> anyhow::Result<()> {
    let closed = stops_with_stdin.then(stdin_closed).transpose()?;
    let told = stop_told(closed);
    tokio::pin!(told);
    if !config.listen.ip().is_loopback() {
        tracing::warn!(listen = %config.listen, "serving without TLS on an address that is not loopback");
    }
    let node = tokio::select! {
        biased;
        // Whoever starts may wait for others that never come. It is listened to from the beginning, so that no signal
        // finds nobody there; what a start leaves behind is what a killed process leaves.
        why = &mut told => {
            tracing::info!("{why} before the node served: it has stopped");
            return Ok(());
        }
        node = RunningNode::start_with(config, seams) => node?,
    };
    let http = node.http_address().map(|address| address.to_string());
    tracing::info!(address = %node.address(), http = http.as_deref().unwrap_or("off"), data_dir = %config.data_dir.display(), "serving");
    let ended = tokio::select! {
        biased;
        why = &mut told => {
            tracing::info!("{why}: stopping");
            Ok(())
        }
        ended = node.failed() => Err(ended),
    };
    node.stop().await?;
    tracing::info!("stopped");
    Ok(ended?)
}

/// Completes on a signal, or when standard input has closed; says which.
async fn stop_told(closed: Option<oneshot::Receiver<()>>) -> &'static str {
    let closed = async {
        match closed {
            Some(closed) => drop(closed.await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = stop_signal() => "a signal to stop came",
        () = closed => "standard input has closed, as --stop-with-stdin watches for,",
    }
}

/// Told when standard input closes, by a thread that nothing waits for.
fn stdin_closed() -> anyhow::Result<oneshot::Receiver<()>> {
    let (tell, closed) = oneshot::channel::<()>();
    let thread = std::thread::Builder::new().name("stdin".to_owned());
    thread
        .spawn(move || {
            let read = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            tracing::debug!(?read, "standard input has closed");
            drop(tell);
        })
        .context("starting the thread that waits for standard input to close")?;
    Ok(closed)
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
