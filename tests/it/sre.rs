//! What an SRE and a client that goes direct see of the cluster.

use std::collections::BTreeMap;

use journey_client::wire;
use journey_client::wire::{ClusterHealth, ClusterNode, GetStatusResponse, Partition};
use journey_types::{ClusterKey, CustomerId, CustomerKey, WorkspaceId, slot_of};
use tests::{ClusterProcess, Ctl, wait_until};

use crate::world::{World, accept, event, programs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_says_where_each_customer_lies_and_who_leads_there() -> anyhow::Result<()> {
    let world = World::start().await?;
    let table = world
        .client
        .get_table(wire::GetTableRequest::default())
        .await?;
    let own = world.node.address().trim_start_matches("http://");
    assert_eq!(table.cluster_id.len(), 16, "{table:?}");
    assert_eq!(table.partitions.len(), 2);
    for (at, route) in table.partitions.iter().enumerate() {
        assert_eq!(u32::try_from(at)?, route.partition);
        assert_eq!((route.leader_node, &*route.leader_address), (1, own));
        assert_eq!(route.replica_nodes, [1]);
    }
    assert_eq!(table.nodes.len(), 1);
    let rule = table.slots.unwrap();
    let key = ClusterKey::new(rule.salt.as_ref().try_into()?);
    for n in 0..20 {
        let customer_id = format!("c{n}");
        accept(&world.client, event(&customer_id, "1", "signed_up")).await?;
        let customer = CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new(customer_id.clone())?,
        };
        let slot = u32::from(slot_of(&key, &customer).get());
        let request = wire::GetCustomerRequest {
            customer_id,
            ..Default::default()
        };
        let read = world.client.get_customer(request).await?.customer.unwrap();
        assert_eq!(read.partition, slot * rule.partitions / rule.slots);
    }
    world.expect_no_warnings();
    Ok(())
}

/// The partitions as one node sees them.
fn partitions(ctl: &Ctl) -> anyhow::Result<Vec<Partition>> {
    let listed = ctl.json(&["partition", "list"])?;
    Ok(serde_json::from_value(listed)?)
}

/// Waits until leaders are where they should be, one node leading one more than the others.
async fn wait_settled(cluster: &ClusterProcess, ctl: &Ctl) -> anyhow::Result<Vec<Partition>> {
    let settled = wait_until("leaders to settle", || async {
        let partitions = partitions(ctl).ok()?;
        let is_settled = partitions.iter().all(|partition| {
            partition.health() == ClusterHealth::Healthy
                && partition.leader_node == partition.preferred_node
        });
        let mut loads = loads(&partitions);
        loads.sort_unstable_by_key(|(_, n_led)| *n_led);
        let loads: Vec<usize> = loads.into_iter().map(|(_, n_led)| n_led).collect();
        (is_settled && loads == [1, 1, 2]).then_some(partitions)
    });
    settled
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))
}

/// How many partitions each node leads.
fn loads(partitions: &[Partition]) -> Vec<(u64, usize)> {
    let mut loads = BTreeMap::new();
    for partition in partitions {
        *loads.entry(partition.leader_node).or_insert(0) += 1;
    }
    loads.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it() -> anyhow::Result<()> {
    let mut cluster = ClusterProcess::start(&programs(), 3, 4).await?;
    let ctls: Vec<Ctl> = cluster
        .addresses()
        .iter()
        .map(|address| Ctl::new(&programs(), address))
        .collect();
    let health = ctls[1].run(&["cluster", "health", "--exit-when-healthy"])?;
    assert_eq!(health.code, 0, "{health:?}\n{}", cluster.logs());
    for ctl in &ctls {
        let status = ctl.json(&["cluster", "status"])?;
        let status: GetStatusResponse = serde_json::from_value(status)?;
        let sums = status.partitions.unwrap_or_default();
        assert_eq!((sums.total, sums.led, sums.replicas_wanted), (4, 4, 3));
        assert_eq!(status.nodes.len(), 3);
        assert!(
            status
                .nodes
                .iter()
                .all(|node| node.serving && node.replicas == 4)
        );
    }
    let nodes = ctls[2].run(&["node", "list"])?;
    assert_eq!(nodes.stdout.matches("active").count(), 3, "{nodes:?}");
    // Let one that leads two give one to another, as a third is told.
    let before = wait_settled(&cluster, &ctls[0]).await?;
    let loads = loads(&before);
    let most = loads.iter().find(|(_, n_led)| *n_led == 2).unwrap().0;
    let least = loads.iter().find(|(_, n_led)| *n_led == 1).unwrap().0;
    let moving = before
        .iter()
        .find(|partition| partition.leader_node == most);
    let moving = moving.unwrap().partition.to_string();
    let to = least.to_string();
    let moved = ctls[2].run(&["partition", "transfer-leader", &moving, "--to", &to])?;
    assert_eq!(moved.code, 0, "{moved:?}\n{}", cluster.logs());
    let after = wait_settled(&cluster, &ctls[1]).await?;
    let after = after.iter().find(|now| now.partition.to_string() == moving);
    assert_eq!(after.unwrap().leader_node, least, "and there it stays");
    let again = ctls[0].run(&["partition", "transfer-leader", &moving, "--to", &to])?;
    assert!(again.stdout.contains("already"), "{again:?}");
    // Where leaders would be uneven another partition goes the other way.
    let alone = before
        .iter()
        .find(|partition| ![most, least].contains(&partition.leader_node));
    let alone = alone.unwrap().partition.to_string();
    let moved = ctls[0].run(&["partition", "transfer-leader", &alone, "--to", &to])?;
    assert_eq!(moved.code, 0, "{moved:?}\n{}", cluster.logs());
    let after = wait_settled(&cluster, &ctls[1]).await?;
    let after = after.iter().find(|now| now.partition.to_string() == alone);
    assert_eq!(after.unwrap().leader_node, least, "and there it stays");
    // What cannot be is refused with the reason.
    for (arguments, reason) in [
        (["9", "--to", "1"], "there is no partition `9`"),
        (["0", "--to", "77"], "there is no node `77`"),
    ] {
        let refused = ctls[0].run(&[&["partition", "transfer-leader"], &arguments[..]].concat())?;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(reason), "{refused:?}");
    }
    let described = ctls[0].run(&["partition", "describe", &moving])?;
    assert!(described.stdout.contains("leads"), "{described:?}");
    // A frozen node takes connections and says nothing.
    let frozen = cluster.addresses()[2]
        .trim_start_matches("http://")
        .to_owned();
    cluster.node(2).freeze()?;
    let health = ctls[0].run(&["cluster", "health"])?;
    cluster.node(2).thaw()?;
    assert_eq!(health.code, 10, "{health:?}");
    let silent = format!("does not answer ({frozen})");
    assert!(health.stdout.contains(&silent), "{health:?}");
    let health = ctls[0].run(&["cluster", "health", "--exit-when-healthy"])?;
    assert_eq!(health.code, 0, "{health:?}");
    // A killed one refuses them, and whoever asks it is told to ask another.
    cluster.node(2).kill()?;
    let health = ctls[1].run(&["cluster", "health", "-o", "json"])?;
    assert_eq!(health.code, 10, "{health:?}");
    assert!(health.stdout.contains(&silent), "{health:?}");
    let unreachable = ctls[2].run(&["cluster", "status"])?;
    assert_eq!(unreachable.code, 1, "{unreachable:?}");
    let both = format!("{},{}", cluster.addresses()[2], cluster.addresses()[0]);
    let status = Ctl::new(&programs(), &both).run(&["cluster", "status"])?;
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.stdout.contains("silent"), "{status:?}");
    cluster.node(2).restart()?;
    let health = ctls[0].run(&["cluster", "health", "--exit-when-healthy"])?;
    assert_eq!(health.code, 0, "{health:?}\n{}", cluster.logs());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_drained_taken_back_and_removed() -> anyhow::Result<()> {
    let mut cluster = ClusterProcess::start(&programs(), 3, 2).await?;
    let ctl = Ctl::new(&programs(), &cluster.addresses()[0]);
    let own = cluster.addresses()[2]
        .trim_start_matches("http://")
        .to_owned();
    let nodes: Vec<ClusterNode> = serde_json::from_value(ctl.json(&["node", "list"])?)?;
    let id = nodes.iter().find(|node| node.api_address == own).unwrap();
    let id = id.node.to_string();
    let early = ctl.run(&["node", "remove", &id, "--yes"])?;
    assert_eq!(early.code, 1, "{early:?}");
    assert!(early.stderr.contains("still has 2 replicas"), "{early:?}");
    let drained = ctl.run(&["node", "drain", &id, "--wait"])?;
    assert_eq!(drained.code, 0, "{drained:?}\n{}", cluster.logs());
    assert!(drained.stdout.contains("is draining now"), "{drained:?}");
    assert!(drained.stderr.contains("0 replicas left"), "{drained:?}");
    let health = ctl.run(&["cluster", "health", "--exit-when-healthy"])?;
    assert_eq!(health.code, 0, "what leaves is not missed: {health:?}");
    let running = ctl.run(&["node", "remove", &id, "--yes"])?;
    assert!(running.stderr.contains("still runs"), "{running:?}");
    // Taken back it is given replicas again.
    let back = ctl.run(&["node", "undrain", &id])?;
    assert!(back.stdout.contains("is active now"), "{back:?}");
    cluster.wait_whole().await?;
    let drained = ctl.run(&["node", "drain", &id, "--wait"])?;
    assert_eq!(drained.code, 0, "{drained:?}\n{}", cluster.logs());
    cluster.node(2).terminate()?;
    let removed = ctl.run(&["node", "remove", &id, "--yes"])?;
    assert_eq!(removed.code, 0, "{removed:?}\n{}", cluster.logs());
    let nodes: Vec<ClusterNode> = serde_json::from_value(ctl.json(&["node", "list"])?)?;
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    let health = ctl.run(&["cluster", "health", "--exit-when-healthy"])?;
    assert_eq!(health.code, 0, "{health:?}\n{}", cluster.logs());
    // It is for ever.
    let back = ctl.run(&["node", "undrain", &id])?;
    assert!(back.stderr.contains("for ever"), "{back:?}");
    Ok(())
}
