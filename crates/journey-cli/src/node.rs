//! `journeyctl node`: the nodes of the cluster.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use journey_client::wire;
use journey_client::wire::cluster_node::State;

use crate::arguments::NodeCommand;
use crate::asking::{CHANGE_MAX, LOOK_MAX, ask};
use crate::cluster::counted;
use crate::output::{Output, table_text};
use crate::watching::{Page, show};

/// Pause between two looks at a node that drains.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    command: NodeCommand,
    address: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match command {
        NodeCommand::List { watch } => {
            show(&watch, *output, || list(address)).await?;
        }
        NodeCommand::Drain { node, wait } => {
            let drained = ask(address, CHANGE_MAX, |client| async move {
                client.drain_node(wire::ChangeNodeRequest { node }).await
            });
            tell(node, drained.await?, *output)?;
            if wait {
                wait_until_empty(node, address).await?;
            }
        }
        NodeCommand::Undrain { node } => {
            let undrained = ask(address, CHANGE_MAX, |client| async move {
                client.undrain_node(wire::ChangeNodeRequest { node }).await
            });
            tell(node, undrained.await?, *output)?;
        }
        NodeCommand::Remove { node, yes } => {
            confirm_removal(node, yes)?;
            let removed = ask(address, CHANGE_MAX, |client| async move {
                client.remove_node(wire::ChangeNodeRequest { node }).await
            });
            tell(node, removed.await?, *output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(node: u64, changed: wire::ChangeNodeResponse, output: Output) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(&changed);
    }
    let (now, state) = (
        if changed.changed { "now" } else { "already" },
        state_word(changed.state()),
    );
    let replicas = counted(changed.replicas, "replica");
    output.text(&format!("node {node} is {state} {now}, with {replicas}"))
}

/// What is for ever is asked about.
fn confirm_removal(node: u64, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "this would remove node {node} for ever; say so with --yes"
    );
    eprint!("remove node {node} for ever? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim().eq_ignore_ascii_case("y"), "nothing was done");
    Ok(())
}

/// Waits until a node has no replicas, and says on standard error how many are left.
async fn wait_until_empty(node: u64, address: &str) -> anyhow::Result<()> {
    let mut told = None;
    loop {
        let listed = ask(address, LOOK_MAX, |client| async move {
            client.list_nodes(wire::ListNodesRequest::default()).await
        });
        let nodes = listed.await?.nodes;
        let found = nodes.iter().find(|found| found.node == node);
        let found = found.with_context(|| format!("node {node} is no member any more"))?;
        anyhow::ensure!(
            [State::Draining, State::Down].contains(&found.state()),
            "node {node} is {} and does not drain any more",
            state_word(found.state())
        );
        if told != Some(found.replicas) {
            eprintln!(
                "node {node} has {} left",
                counted(found.replicas, "replica")
            );
            told = Some(found.replicas);
        }
        if found.replicas == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn list(address: &str) -> anyhow::Result<Page> {
    let listed = ask(address, LOOK_MAX, |client| async move {
        client.list_nodes(wire::ListNodesRequest::default()).await
    });
    let nodes = listed.await?.nodes;
    Ok(Page {
        text: nodes_text(&nodes),
        json: serde_json::to_value(&nodes)?,
    })
}

/// A table of nodes, and below it why those that do not serve do not.
pub(crate) fn nodes_text(nodes: &[wire::ClusterNode]) -> String {
    let headings = [
        "node", "state", "serves", "leads", "replicas", "metadata", "address", "peers", "zone",
        "up", "release",
    ];
    let or_dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    let row = |node: &wire::ClusterNode| {
        vec![
            node.node.to_string(),
            state_word(node.state()).to_owned(),
            serves_word(node).to_owned(),
            node.leads.to_string(),
            node.replicas.to_string(),
            if node.metadata_voter { "votes" } else { "-" }.to_owned(),
            node.api_address.clone(),
            or_dash(&node.peer_address),
            or_dash(&node.zone),
            if node.answers {
                span_text(node.up_seconds)
            } else {
                "-".to_owned()
            },
            or_dash(&node.release),
        ]
    };
    let mut text = table_text(&headings, nodes.iter().map(row).collect());
    for node in nodes {
        if !node.silence.is_empty() {
            text.push_str(&format!("\nnode {} is silent: {}", node.node, node.silence));
        }
        for problem in &node.problems {
            text.push_str(&format!("\nnode {} does not serve: {problem}", node.node));
        }
    }
    text
}

const fn state_word(state: State) -> &'static str {
    match state {
        State::Unspecified => "unknown",
        State::Joining => "joining",
        State::Active => "active",
        State::Draining => "draining",
        State::Down => "down",
        State::Removed => "removed",
    }
}

fn serves_word(node: &wire::ClusterNode) -> &'static str {
    match (node.answers, node.serving) {
        (false, _) => "silent",
        (true, false) => "no",
        (true, true) => "yes",
    }
}

/// A span in its two largest units.
fn span_text(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m{}s", seconds % 60),
        3_600..86_400 => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

#[cfg(test)]
mod tests;
