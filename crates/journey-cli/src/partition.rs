//! `journeyctl partition`: which node leads which part of the customers, and how its replicas are.

use std::process::ExitCode;

use anyhow::Context as _;
use journey_client::wire;
use journey_client::wire::ClusterHealth;
use journey_client::wire::partition_replica::Role;

use crate::arguments::PartitionCommand;
use crate::asking::{CHANGE_MAX, LOOK_MAX, ask};
use crate::cluster::word;
use crate::output::{Output, table_text};
use crate::watching::{Page, show};

pub(crate) async fn run(
    command: PartitionCommand,
    address: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match command {
        PartitionCommand::List { unhealthy, watch } => {
            show(&watch, *output, || list(address, unhealthy)).await?;
        }
        PartitionCommand::Describe { partition, watch } => {
            show(&watch, *output, || describe(address, partition)).await?;
        }
        PartitionCommand::TransferLeader { partition, to } => {
            transfer(address, partition, to, *output).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(address: &str, only_unhealthy: bool) -> anyhow::Result<Page> {
    let listed = ask(address, LOOK_MAX, |client| async move {
        let request = wire::ListPartitionsRequest::default();
        client.list_partitions(request).await
    });
    let mut partitions = listed.await?.partitions;
    if only_unhealthy {
        partitions.retain(|partition| partition.health() != ClusterHealth::Healthy);
    }
    let text = if only_unhealthy && partitions.is_empty() {
        "every partition is healthy".to_owned()
    } else {
        list_text(&partitions)
    };
    Ok(Page {
        text,
        json: serde_json::to_value(&partitions)?,
    })
}

fn list_text(partitions: &[wire::Partition]) -> String {
    let headings = [
        "partition",
        "health",
        "leader",
        "term",
        "replicas",
        "lag",
        "last",
        "slots",
    ];
    let row = |partition: &wire::Partition| {
        let replicas = partition.replicas.iter().map(placed_text);
        let in_order = partition.replicas.iter().filter(|replica| replica.follows);
        vec![
            partition.partition.to_string(),
            word(partition.health()).to_owned(),
            node_text(partition.leader_node),
            partition.term.to_string(),
            replicas.collect::<Vec<_>>().join(" "),
            in_order
                .map(|replica| replica.lag)
                .max()
                .map_or("-".to_owned(), |lag| lag.to_string()),
            partition.last_index.to_string(),
            format!("{}-{}", partition.first_slot, partition.last_slot),
        ]
    };
    table_text(&headings, partitions.iter().map(row).collect())
}

/// The node of a replica, and what is the matter with it.
fn placed_text(replica: &wire::PartitionReplica) -> String {
    let mark = match replica.role() {
        Role::Joining => ":joining",
        Role::Leaving => ":leaving",
        Role::Unspecified | Role::Voter => "",
    };
    let trouble = if !replica.answers {
        ":silent"
    } else if !replica.follows {
        ":behind"
    } else {
        ""
    };
    format!("{}{mark}{trouble}", replica.node)
}

fn node_text(node: u64) -> String {
    match node {
        0 => "none".to_owned(),
        node => node.to_string(),
    }
}

async fn describe(address: &str, partition: u32) -> anyhow::Result<Page> {
    let described = ask(address, LOOK_MAX, |client| async move {
        let request = wire::DescribePartitionRequest { partition };
        client.describe_partition(request).await
    });
    let partition = described.await?.partition;
    let partition = partition.context("the node answered without a partition")?;
    Ok(Page {
        text: describe_text(&partition),
        json: serde_json::to_value(&partition)?,
    })
}

fn describe_text(partition: &wire::Partition) -> String {
    let leader = match partition.leader_node {
        0 => "none with a majority behind it".to_owned(),
        node if node == partition.preferred_node => format!("node {node}, term {}", partition.term),
        node => format!(
            "node {node}, term {}; node {} should lead",
            partition.term, partition.preferred_node
        ),
    };
    let mut text = format!(
        "partition  {}, slots {} to {}, placement version {}\nhealth     {}\n",
        partition.partition,
        partition.first_slot,
        partition.last_slot,
        partition.version,
        word(partition.health()),
    );
    for problem in &partition.problems {
        text.push_str(&format!("problem    {problem}\n"));
    }
    text.push_str(&format!(
        "leader     {leader}\nlast       entry {} of the leader's log\n\n",
        partition.last_index
    ));
    let headings = [
        "node", "replica", "role", "does", "votes", "term", "last", "applied", "lag",
    ];
    let rows = partition.replicas.iter().map(replica_row).collect();
    text.push_str(&table_text(&headings, rows));
    text
}

fn replica_row(replica: &wire::PartitionReplica) -> Vec<String> {
    let role = match replica.role() {
        Role::Unspecified => "unknown",
        Role::Voter => "voter",
        Role::Joining => "joining",
        Role::Leaving => "leaving",
    };
    let does = match (replica.answers, replica.leads, replica.follows) {
        (false, _, _) => "silent",
        (true, true, _) => "leads",
        (true, false, true) => "follows",
        (true, false, false) => "follows nobody",
    };
    let known = |number: u64| match replica.answers {
        true => number.to_string(),
        false => "-".to_owned(),
    };
    vec![
        replica.node.to_string(),
        replica.replica.to_string(),
        role.to_owned(),
        does.to_owned(),
        if replica.votes { "yes" } else { "no" }.to_owned(),
        known(replica.term),
        known(replica.last_index),
        known(replica.applied_index),
        known(replica.lag),
    ]
}

async fn transfer(address: &str, partition: u32, to: u64, output: Output) -> anyhow::Result<()> {
    let request = wire::TransferLeaderRequest {
        partition,
        to_node: to,
    };
    let transferred = ask(address, CHANGE_MAX, |client| async move {
        client.transfer_leader(request).await
    });
    let transferred = transferred.await?;
    if output.is_json() {
        return output.json(&transferred);
    }
    output.text(&if transferred.changed {
        format!(
            "node {} leads partition {partition} now, node {} did before",
            transferred.to_node, transferred.from_node
        )
    } else {
        format!("node {to} leads partition {partition} already")
    })
}

#[cfg(test)]
mod tests;
