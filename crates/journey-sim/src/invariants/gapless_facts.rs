//! Of each customer the facts count 1, 2, 3 … and stamps never go back.

use std::collections::BTreeMap;

use journey_types::Timestamp;

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut last: BTreeMap<_, (u64, Timestamp)> = BTreeMap::new();
    for (lsn, customer, fact) in &world.oracle.facts {
        let (sequence, stamp) = last.get(customer).copied().unwrap_or_default();
        if fact.sequence.get() != sequence + 1 || fact.stamp < stamp {
            return Err(format!(
                "{customer} at {lsn}: fact {} at {} after {sequence} at {stamp}",
                fact.sequence, fact.stamp
            ));
        }
        last.insert(customer.clone(), (fact.sequence.get(), fact.stamp));
    }
    Ok(())
}
