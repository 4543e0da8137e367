//! Tables, hints and what a node believes.

use super::*;

fn table(leaders: &[(u32, u64)]) -> RouteTable {
    let address = |node: u64| (NodeId::new(node), format!("127.0.0.1:770{node}"));
    RouteTable {
        own: Some(NodeId::new(1)),
        addresses: [2, 3].into_iter().map(address).collect(),
        leaders: leaders
            .iter()
            .map(|(partition, node)| (PartitionId::new(*partition), NodeId::new(*node)))
            .collect(),
    }
}

fn leader_of(routes: &Routes, partition: u32) -> Option<u64> {
    let leader = routes.leader_elsewhere(PartitionId::new(partition));
    leader.map(|leader| leader.node.get())
}

#[test]
fn a_node_alone_sends_nothing_on() {
    let routes = Routes::alone();
    assert!(routes.is_alone());
    assert_eq!(leader_of(&routes, 0), None);
}

#[test]
fn what_this_node_leads_is_not_elsewhere() {
    let (_sender, watched) = watch::channel(Arc::new(table(&[(0, 1), (1, 2)])));
    let routes = Routes::following(watched);
    assert!(!routes.is_alone());
    assert_eq!(leader_of(&routes, 0), None);
    assert_eq!(leader_of(&routes, 1), Some(2));
    assert_eq!(leader_of(&routes, 2), None, "nobody is known to lead it");
}

#[test]
fn a_hint_counts_until_the_table_changes() {
    let (sender, watched) = watch::channel(Arc::new(table(&[(1, 2)])));
    let routes = Routes::following(watched);
    assert_eq!(leader_of(&routes, 1), Some(2));
    let hint = |node: u64, address: &str| Leader {
        node: NodeId::new(node),
        address: address.to_owned(),
    };
    routes.learn(PartitionId::new(1), hint(9, "127.0.0.1:1"));
    assert_eq!(leader_of(&routes, 1), Some(2), "a node that nobody knows");
    routes.learn(PartitionId::new(1), hint(3, "127.0.0.1:7703"));
    assert_eq!(leader_of(&routes, 1), Some(3));
    routes.unlearn(PartitionId::new(1));
    assert_eq!(leader_of(&routes, 1), Some(2));
    routes.learn(PartitionId::new(1), hint(3, "127.0.0.1:7703"));
    sender.send_replace(Arc::new(table(&[(1, 2), (0, 1)])));
    assert_eq!(leader_of(&routes, 1), Some(2), "the table is newer");
}

#[test]
fn partitions_without_a_leader_are_named() {
    let (_sender, watched) = watch::channel(Arc::new(table(&[(0, 1), (2, 2)])));
    let routes = Routes::following(watched);
    let all = || (0..4).map(PartitionId::new);
    let named = |ids: &[u32]| {
        ids.iter()
            .copied()
            .map(PartitionId::new)
            .collect::<Vec<_>>()
    };
    assert_eq!(routes.without_leader(all()), named(&[1, 3]));
}
