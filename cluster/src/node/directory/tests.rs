//! Where replicas are: by what let this node in first, by the applied metadata as soon as it says it.

use std::collections::BTreeMap;

use journey_consensus::{GroupId, PeerAddress, ReplicaDirectory as _, ReplicaId};
use journey_types::PartitionId;

use super::NodeDirectory;
use crate::node::bed::{Bed, CLUSTER, new_node};

#[test]
fn seeds_are_known_for_the_metadata_group_only() {
    let directory = NodeDirectory::default();
    let replica = ReplicaId::new(5);
    assert_eq!(directory.address_of(GroupId::METADATA, replica), None);
    let seeds = BTreeMap::from([(replica, PeerAddress::new("seed:7703"))]);
    directory.set_seeds(seeds);
    let seed = Some(PeerAddress::new("seed:7703"));
    assert_eq!(directory.address_of(GroupId::METADATA, replica), seed);
    let group = GroupId::of_partition(PartitionId::new(0));
    assert_eq!(directory.address_of(group, replica), None);
    assert_eq!(directory.cluster(), None);
    directory.set_cluster(CLUSTER);
    directory.set_cluster(CLUSTER);
    assert_eq!(directory.cluster(), Some(CLUSTER));
}

#[tokio::test]
async fn applied_metadata_outweighs_seeds_and_is_followed() {
    let bed = Bed::founded().await;
    let directory = NodeDirectory::default();
    let first = ReplicaId::FIRST;
    let seeds = BTreeMap::from([
        (first, PeerAddress::new("old:7703")),
        (ReplicaId::new(900), PeerAddress::new("seed:7703")),
    ]);
    directory.set_seeds(seeds);
    directory.follow(bed.metadata.watch());
    let address = |replica| directory.address_of(GroupId::METADATA, replica);
    assert_eq!(address(first), Some(PeerAddress::new("node-1:7703")));
    let group = GroupId::of_partition(PartitionId::new(3));
    assert_eq!(
        directory.address_of(group, first),
        Some(PeerAddress::new("node-1:7703"))
    );
    assert_eq!(directory.address_of(group, ReplicaId::new(77)), None);
    // One that the metadata does not know yet is where the seeds say.
    assert_eq!(
        address(ReplicaId::new(900)),
        Some(PeerAddress::new("seed:7703"))
    );
    let joined = bed.metadata.join(new_node(2)).await.unwrap();
    let there = Some(PeerAddress::new("node-2:7703"));
    assert_eq!(address(joined.metadata_replica), there);
    let mut place = joined.place.clone();
    place.peer_address = "moved:7703".to_owned();
    let moved = bed
        .metadata
        .set_node_place(joined.id, joined.version, place);
    moved.await.unwrap();
    let there = Some(PeerAddress::new("moved:7703"));
    assert_eq!(address(joined.metadata_replica), there);
}
