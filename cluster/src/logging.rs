//! Logs on standard error: text for people, JSON for collectors.

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the process; a second call changes nothing (two nodes may run in one process).
pub(crate) fn start(config: &LogConfig) {
    // openraft tells each step of an ordinary election at WARN; what matters of it comes as an error of the group.
    let level = format!("openraft=error,{}", config.level);
    // The configuration was checked; what it refuses never comes here.
    let filter =
        EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
        return;
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// sled's own threads; what they were asked for fails with an error of the storage layer.
const SLED_THREADS: &str = "sled-io-";

/// One line for a panic instead of a trace. What catches it tells what became of it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = panic.location().map(ToString::to_string);
    let place = place.unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    if journey_storage::panic_is_contained() || thread.starts_with(SLED_THREADS) {
        tracing::debug!(thread, place, message, "sled panicked");
    } else {
        tracing::error!(thread, place, message, "panicked; please report it");
    }
}
