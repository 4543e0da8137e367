//! What `journeyd dev` prints.

use std::io::Write as _;
use std::path::Path;

use journey_client::wire;

use crate::dev::plan::NodePlan;

/// Prints a text and a line break.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

pub(super) fn announce(plans: &[NodePlan], folder: &Path, is_kept: bool) -> anyhow::Result<()> {
    let kept = if is_kept {
        "kept"
    } else {
        "removed at the end"
    };
    let nodes = if plans.len() == 1 { "node" } else { "nodes" };
    say(&format!(
        "journeyd dev: {} {nodes} on this machine, data and logs in {} ({kept})",
        plans.len(),
        folder.display()
    ))
}

pub(super) fn started(plan: &NodePlan, process_id: u32) -> anyhow::Result<()> {
    say(&format!(
        "  {}  api {}  http {}  peers {}  pid {process_id}",
        plan.name, plan.api, plan.http, plan.peers
    ))
}

pub(super) fn ready(plans: &[&NodePlan], status: &wire::GetStatusResponse) -> anyhow::Result<()> {
    let sums = status.partitions.unwrap_or_default();
    let plural = if sums.replicas_wanted == 1 { "" } else { "s" };
    say(&format!(
        "ready: cluster {}, {} partitions with {} replica{plural} each",
        status.cluster_id, sums.total, sums.replicas_wanted
    ))?;
    for plan in plans {
        let api = plan.api.to_string();
        let found = status.nodes.iter().find(|node| node.api_address == api);
        if let Some(node) = found {
            say(&format!(
                "  {}  is node {}, leads {}",
                plan.name, node.node, node.leads
            ))?;
        }
    }
    let addresses: Vec<String> = plans.iter().map(|plan| plan.api.to_string()).collect();
    say(&format!(
        "  try   journeyctl --address {} cluster status",
        addresses.join(",")
    ))?;
    say("  type  `kill n2` (kill -9), `stop n2` (in order), `start n2`; Ctrl-C stops all")
}

pub(super) fn ended(plan: &NodePlan, how: &str, is_told: bool) -> anyhow::Result<()> {
    let told = if is_told { ", as told" } else { "" };
    say(&format!(
        "{} ended by {how}{told}; its log is {}; bring it back with `start {}` here, or elsewhere with\n  {}",
        plan.name,
        plan.log.display(),
        plan.name,
        plan.command()
    ))
}
