//! What an SRE and a client that goes direct see of the cluster.

use journey_client::wire;
use journey_types::{ClusterKey, CustomerId, CustomerKey, WorkspaceId, slot_of};

use crate::world::{World, accept, event};

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
