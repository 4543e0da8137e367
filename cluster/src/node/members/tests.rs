//! What a node answers to those that want to join, and of itself.

use journey_consensus::ReplicaId;
use journey_proto::internal as wire;
use journey_proto::internal::members_server::Members as _;
use journey_types::NodeId;
use tonic::{Code, Request};

use super::{MemberApi, report};
use crate::node::bed::{Bed, CLUSTER, new_node};

fn request(key: u8, cluster: u64) -> Request<wire::JoinRequest> {
    let place = new_node(key).place;
    Request::new(wire::JoinRequest {
        cluster,
        join_key: vec![key; 16].into(),
        api_address: place.api_address,
        peer_address: place.peer_address,
        zone: place.zone,
        weight: place.weight,
    })
}

async fn api() -> (MemberApi, Bed) {
    let bed = Bed::founded().await;
    let own = std::sync::Arc::clone(&bed.own);
    (MemberApi { own }, bed)
}

#[tokio::test]
async fn node_that_asks_twice_is_let_in_once_and_comes_back_with_its_address() {
    let (api, bed) = api().await;
    let early = api.join(request(2, 0)).await.unwrap_err();
    assert_eq!(early.code(), Code::Unavailable, "{early}");
    bed.own.metadata.get_or_init(|| bed.metadata.clone());

    let first = api.join(request(2, 0)).await.unwrap().into_inner();
    assert_eq!(first.cluster, CLUSTER);
    assert_eq!(first.node, first.metadata_replica);
    let known: Vec<&str> = first
        .members
        .iter()
        .map(|member| member.peer_address.as_str())
        .collect();
    assert_eq!(known, ["node-1:7703", "node-2:7703"]);
    let again = api.join(request(2, CLUSTER)).await.unwrap().into_inner();
    assert_eq!(again.node, first.node);
    // The same data folder at another address is the same node.
    let mut moved = request(2, CLUSTER);
    moved.get_mut().peer_address = "elsewhere:7703".to_owned();
    let moved = api.join(moved).await.unwrap().into_inner();
    assert_eq!(moved.node, first.node);
    let record = bed
        .metadata
        .current()
        .node(NodeId::new(first.node))
        .cloned();
    assert_eq!(record.unwrap().place.peer_address, "elsewhere:7703");
    let other = api.join(request(3, 0)).await.unwrap().into_inner();
    assert!(other.node > first.node, "ids only rise");
}

#[tokio::test]
async fn node_of_another_cluster_or_without_a_place_is_refused() {
    let (api, bed) = api().await;
    bed.own.metadata.get_or_init(|| bed.metadata.clone());
    let other = api.join(request(2, CLUSTER + 1)).await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition, "{other}");
    let mut short = request(2, 0);
    short.get_mut().join_key = vec![2; 3].into();
    let mut nowhere = request(2, 0);
    nowhere.get_mut().api_address.clear();
    let mut weightless = request(2, 0);
    weightless.get_mut().weight = 0;
    for wrong in [short, nowhere, weightless] {
        let refused = api.join(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    assert_eq!(bed.metadata.current().nodes().count(), 1);
}

#[tokio::test]
async fn report_tells_who_this_is_and_what_its_replicas_do() {
    let (_, bed) = api().await;
    let nobody = report(&bed.own, false);
    assert_eq!((nobody.cluster, nobody.node), (0, 0));
    assert!(nobody.replicas.is_empty() && nobody.clock_unix_ms > 0);
    bed.own.directory.set_cluster(CLUSTER);
    bed.own.node.get_or_init(|| NodeId::new(1));
    let known = report(&bed.own, true);
    assert_eq!((known.cluster, known.node), (CLUSTER, 1));
    let [group] = known.replicas.as_slice() else {
        panic!("{known:?}");
    };
    assert_eq!((group.group, group.replica), (0, ReplicaId::FIRST.get()));
    assert!(group.is_leader && group.last_index > 0);
    assert_eq!(group.voters, [ReplicaId::FIRST.get()]);
}
