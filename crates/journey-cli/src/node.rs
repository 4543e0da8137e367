//! `journeyctl node`: the nodes of the cluster.

use std::process::ExitCode;

use journey_client::wire;
use journey_client::wire::cluster_node::State;

use crate::arguments::NodeCommand;
use crate::asking::{LOOK_MAX, ask};
use crate::output::{Output, table_text};
use crate::watching::{Page, show};

pub(crate) async fn run(
    command: NodeCommand,
    address: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match command {
        NodeCommand::List { watch } => {
            show(&watch, *output, || list(address)).await?;
            Ok(ExitCode::SUCCESS)
        }
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
