//! `journeyctl cluster`: how the cluster is as a whole.

use std::process::ExitCode;

use journey_client::wire;
use journey_client::wire::ClusterHealth;
use serde::Serialize;

use crate::arguments::{ClusterCommand, WatchArguments};
use crate::asking::{LOOK_MAX, ask};
use crate::node::nodes_text;
use crate::output::{Output, instant};
use crate::watching::{Page, show};

/// The exit code of a cluster that is not healthy.
const UNHEALTHY: u8 = 10;
/// Pause between two looks of `--exit-when-healthy`.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// What `health` prints.
#[derive(Debug, Serialize)]
struct Health<'a> {
    address: &'a str,
    /// `healthy`, `degraded`, `unhealthy` or `unreachable`.
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    findings: Vec<wire::Finding>,
}

pub(crate) async fn run(
    command: ClusterCommand,
    address: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match command {
        ClusterCommand::Status { watch } => {
            show(&watch, *output, || status(address)).await?;
            Ok(ExitCode::SUCCESS)
        }
        ClusterCommand::Health {
            exit_when_healthy,
            watch,
        } => health(address, exit_when_healthy, &watch, *output).await,
    }
}

async fn health(
    address: &str,
    exit_when_healthy: bool,
    watch: &WatchArguments,
    output: Output,
) -> anyhow::Result<ExitCode> {
    if watch.watch {
        let page = || async { page_of(&look(address).await) };
        show(watch, output, page).await?;
    }
    let mut told = None;
    loop {
        let health = look(address).await;
        let page = page_of(&health)?;
        let is_healthy = health.health == word(ClusterHealth::Healthy);
        if is_healthy || !exit_when_healthy {
            let once = WatchArguments::default();
            show(&once, output, || async { page_of(&health) }).await?;
            let code = if is_healthy { 0 } else { UNHEALTHY };
            return Ok(ExitCode::from(code));
        }
        // Whoever waits is told why, each time that it changes.
        if told.as_ref() != Some(&page.text) {
            eprintln!("{}", page.text);
            told = Some(page.text);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn get_status(address: &str) -> anyhow::Result<wire::GetStatusResponse> {
    ask(address, LOOK_MAX, |client| async move {
        client.get_status(wire::GetStatusRequest::default()).await
    })
    .await
}

async fn look(address: &str) -> Health<'_> {
    match get_status(address).await {
        Ok(status) => Health {
            address,
            health: word(status.health()),
            reason: (status.health() == ClusterHealth::Healthy).then(|| sums_text(&status)),
            findings: status.findings,
        },
        Err(error) => Health {
            address,
            health: "unreachable",
            reason: Some(format!("{error:#}")),
            findings: Vec::new(),
        },
    }
}

fn page_of(health: &Health<'_>) -> anyhow::Result<Page> {
    let mut text = format!("{}: {}", health.address, health.health);
    if let Some(reason) = &health.reason {
        text.push_str(&format!(": {reason}"));
    }
    text.push_str(&findings_text(&health.findings));
    let json = serde_json::to_value(health)?;
    Ok(Page { text, json })
}

/// A health in one word.
pub(crate) const fn word(health: ClusterHealth) -> &'static str {
    match health {
        ClusterHealth::Unspecified => "unknown",
        ClusterHealth::Healthy => "healthy",
        ClusterHealth::Degraded => "degraded",
        ClusterHealth::Unhealthy => "unhealthy",
    }
}

async fn status(address: &str) -> anyhow::Result<Page> {
    let status = get_status(address).await?;
    let json = serde_json::to_value(&status)?;
    Ok(Page {
        text: status_text(&status),
        json,
    })
}

fn status_text(status: &wire::GetStatusResponse) -> String {
    let metadata = status.metadata.clone().unwrap_or_default();
    let leader = match metadata.leader_node {
        0 => "no leader".to_owned(),
        node => format!("led by node {node}, term {}", metadata.term),
    };
    let voters: Vec<String> = metadata.voter_nodes.iter().map(u64::to_string).collect();
    let voters = match &*voters {
        [] => "voters not known".to_owned(),
        [voter] => format!("voter {voter}"),
        voters => format!("voters {}", voters.join(", ")),
    };
    let zones = if status.zone_safe {
        format!("{}, zone-safe: any one may be lost", status.zones)
    } else {
        format!(
            "{}, zone-unsafe: replicas of a partition share one, which takes them down together",
            status.zones
        )
    };
    format!(
        "cluster     {}, founded {}\nhealth      {}{}\npartitions  {}\nmetadata    {leader}; {voters}\nzones       {zones}\n\
         asked       node {}, map version {}\n\n{}",
        status.cluster_id,
        instant(status.founded_at.as_ref()),
        word(status.health()),
        findings_text(&status.findings),
        sums_text(status),
        status.asked_node,
        status.version,
        nodes_text(&status.nodes),
    )
}

/// The partitions in a line.
fn sums_text(status: &wire::GetStatusResponse) -> String {
    let sums = status.partitions.unwrap_or_default();
    let nodes = counted(status.nodes.len(), "node");
    let partitions = counted(sums.total, "partition");
    let mut text = format!(
        "{partitions} on {nodes}, {} led, {} wanted of each",
        all_or(sums.led, sums.total),
        counted(sums.replicas_wanted, "replica"),
    );
    if sums.under_replicated > 0 {
        text.push_str(&format!(", {} lack some", sums.under_replicated));
    }
    if sums.moving > 0 {
        text.push_str(&format!(", {} moving", sums.moving));
    }
    text
}

fn all_or(number: u32, total: u32) -> String {
    if number == total {
        "all".to_owned()
    } else {
        number.to_string()
    }
}

/// A number of things in words.
pub(crate) fn counted(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// The findings, each with what to do about it.
fn findings_text(findings: &[wire::Finding]) -> String {
    let texts = findings.iter().map(|finding| {
        format!(
            "\n  {}: {}\n    -> {}",
            finding.subject, finding.text, finding.advice
        )
    });
    texts.collect()
}

#[cfg(test)]
mod tests;
