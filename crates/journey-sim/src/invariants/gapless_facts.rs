//! Of each customer the facts count 1, 2, 3 …; stamps never go back in the whole partition, also across sessions, since
//! no turn of the simulated journeys pauses.

use std::collections::BTreeMap;

use journey_types::Timestamp;

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut last: BTreeMap<_, u64> = BTreeMap::new();
    let mut stamp = Timestamp::EPOCH;
    for (lsn, customer, fact) in &world.oracle.facts {
        let sequence = last.get(customer).copied().unwrap_or_default();
        if fact.sequence.get() != sequence + 1 || fact.stamp < stamp {
            return Err(format!(
                "{customer} at {lsn}: fact {} at {} after {sequence}, the partition's last stamp being {stamp}",
                fact.sequence, fact.stamp
            ));
        }
        last.insert(customer.clone(), fact.sequence.get());
        stamp = fact.stamp;
    }
    Ok(())
}
