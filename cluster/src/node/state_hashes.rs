//! What the replicas of this node say of their whole state, so that somebody outside can hold them against others.

use journey_proto::internal as wire;

use crate::node::local_partitions::LocalPartitions;

/// A hash for each replica that can tell one: neither one that stopped, nor one that replays entries which some of its
/// rows reflect already.
pub(crate) fn state_hashes(partitions: &LocalPartitions) -> Vec<wire::StateHash> {
    let mut hashes = Vec::new();
    for local in partitions.all().values() {
        let mut replica = local.replica.lock();
        if !replica.is_exact() {
            continue;
        }
        let applied_index = replica.applied().get();
        match replica.state_hash() {
            Ok(hash) => hashes.push(wire::StateHash {
                partition: local.id().get(),
                applied_index,
                hash: hash.to_be_bytes().to_vec().into(),
            }),
            Err(error) => {
                tracing::warn!(partition_id = local.id().get(), %error, "no hash of its state");
            }
        }
    }
    hashes
}
