//! Who a data folder is, and where its node is reached.

use std::sync::Arc;

use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{Engine, MemoryEngine};
use journey_types::NodeId;

use super::{is_alone, own_identity, own_place, tell_place};
use crate::config::Config;
use crate::node::bed::{Bed, new_node};

fn folder() -> Arc<dyn Engine> {
    Arc::new(MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX))
}

#[test]
fn identity_is_drawn_once_for_a_folder() {
    let (one, other) = (folder(), folder());
    let drawn = own_identity(&one).unwrap();
    assert_eq!(drawn.member, None);
    assert_eq!(own_identity(&one).unwrap(), drawn);
    assert_ne!(own_identity(&other).unwrap().join_key, drawn.join_key);
}

#[test]
fn place_is_what_is_bound_unless_another_address_is_advertised() {
    let (api, peers) = (
        "127.0.0.1:7701".parse().unwrap(),
        "127.0.0.1:7703".parse().unwrap(),
    );
    let mut config = Config::default();
    let bound = own_place(&config, api, Some(peers));
    assert_eq!(bound.api_address, "127.0.0.1:7701");
    assert_eq!(bound.peer_address, "127.0.0.1:7703");
    let alone = own_place(&config, api, None);
    assert_eq!(
        alone.peer_address, "",
        "a node without peers has no such address"
    );
    config.cluster.advertise = Some("node:1".to_owned());
    config.cluster.peer_advertise = Some("node:3".to_owned());
    config.cluster.zone = "east".to_owned();
    config.cluster.weight = 7;
    let told = own_place(&config, api, Some(peers));
    assert_eq!(
        (told.api_address.as_str(), told.peer_address.as_str()),
        ("node:1", "node:3")
    );
    assert_eq!((told.zone.as_str(), told.weight), ("east", 7));
}

#[tokio::test]
async fn new_address_is_told_once_and_nobody_is_alone_with_another_member() {
    let bed = Bed::founded().await;
    let founder = NodeId::new(1);
    assert!(is_alone(&bed.metadata.current()));
    let mut place = new_node(1).place;
    place.api_address = "elsewhere:7701".to_owned();
    tell_place(&bed.metadata, founder, &place).await.unwrap();
    let record = bed.metadata.current().node(founder).cloned().unwrap();
    assert_eq!(record.place, place);
    tell_place(&bed.metadata, founder, &place).await.unwrap();
    let again = bed.metadata.current().node(founder).cloned().unwrap();
    assert_eq!(
        again.version, record.version,
        "nothing is written for nothing"
    );
    // A node that nobody knows has nobody to tell.
    tell_place(&bed.metadata, NodeId::new(99), &place)
        .await
        .unwrap();
    bed.metadata.join(new_node(2)).await.unwrap();
    assert!(!is_alone(&bed.metadata.current()));
}
