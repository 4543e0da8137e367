//! Of each customer the facts count 1, 2, 3 …; stamps never go back in the whole partition, also across sessions, but
//! for turns that paused: they go on at their own stamp.

use std::collections::BTreeMap;

use journey_customer::EventBody;
use journey_types::Timestamp;

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut last: BTreeMap<_, u64> = BTreeMap::new();
    let mut stamp = Timestamp::EPOCH;
    for (lsn, customer, fact) in &world.oracle.facts {
        let sequence = last.get(customer).copied().unwrap_or_default();
        let goes_on = fact.body == EventBody::TurnResumed;
        if fact.sequence.get() != sequence + 1 || fact.stamp < stamp && !goes_on {
            return Err(format!(
                "{customer} at {lsn}: fact {} at {} after {sequence}, the partition's last stamp being {stamp}",
                fact.sequence, fact.stamp
            ));
        }
        last.insert(customer.clone(), fact.sequence.get());
        stamp = stamp.max(fact.stamp);
    }
    Ok(())
}
