//! Logs on standard error: text for people, JSON for collectors.

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the process; a second call changes nothing (two nodes may run in one process).
pub(crate) fn start(config: &LogConfig) {
    // openraft tells each step of an ordinary election at WARN; what matters of it comes as an error of the group.
    let level = format!("openraft=error,{}", config.level);
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
    }
}
