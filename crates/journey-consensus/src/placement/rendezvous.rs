//! Weighted rendezvous hashing: the order in which nodes are asked to take a replica of a partition.

use journey_types::{NodeId, PartitionId};

/// Bits of a hash that a fraction between 0 and 1 takes without rounding.
const FRACTION_BITS: u32 = 53;

/// How much a node wants a partition; the highest takes it. A node's scores do not depend on the other nodes, and a node
/// of twice the weight wins twice as often.
pub(super) fn score(partition: PartitionId, node: NodeId, weight: u32) -> f64 {
    let hash = mix(mix(node.get()) ^ u64::from(partition.get()));
    let scale = f64::from(1_u32 << (FRACTION_BITS - 31)) * f64::from(1_u32 << 31);
    let (high, low) = (hash >> 43, (hash >> 11) & 0xffff_ffff);
    let number = high_part(high) * 4_294_967_296.0 + high_part(low);
    // Never 0, whose logarithm has no end, and never 1, whose logarithm is 0.
    let fraction = (number + 0.5) / scale;
    f64::from(weight) / -fraction.ln()
}

fn high_part(part: u64) -> f64 {
    f64::from(u32::try_from(part).expect("both parts have at most 32 bits"))
}

/// The finalizer of `SplitMix64`: each bit of the answer depends on each bit of the number.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
