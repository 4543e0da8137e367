//! `journeyctl cluster`: what the node says of itself.

use std::process::ExitCode;

use anyhow::Context as _;
use journey_client::Client;
use serde::Serialize;

use crate::arguments::ClusterCommand;
use crate::output::Output;

/// The exit code of a node that does not serve.
const UNHEALTHY: u8 = 10;
/// Pause between two looks of `--exit-when-healthy`.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// What `health` prints.
#[derive(Debug, Serialize)]
struct Health<'a> {
    address: &'a str,
    serving: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) async fn run(
    command: ClusterCommand,
    address: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let ClusterCommand::Health { exit_when_healthy } = command;
    loop {
        let health = look(address).await;
        if health.serving || !exit_when_healthy {
            tell(&health, output)?;
            let code = if health.serving { 0 } else { UNHEALTHY };
            return Ok(ExitCode::from(code));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn look(address: &str) -> Health<'_> {
    let said = match Client::connect(address).await {
        Ok(client) => client.is_serving().await,
        Err(error) => Err(error),
    };
    let (serving, reason) = match said {
        Ok(true) => (true, None),
        Ok(false) => {
            let reason = "it says that it does not serve; its /healthz?verbose and its log say why";
            (false, Some(reason.to_owned()))
        }
        Err(error) => (false, Some(error.to_string())),
    };
    Health {
        address,
        serving,
        reason,
    }
}

fn tell(health: &Health<'_>, output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(health);
    }
    let text = match &health.reason {
        None => format!("{}: serving", health.address),
        Some(reason) => format!("{}: not serving: {reason}", health.address),
    };
    output.text(&text).context("printing")
}
