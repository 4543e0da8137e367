//! What the replica counts as active and parked, which it takes from what entered and ended, is what customers hold.

use std::collections::BTreeMap;

use journey_types::WorkspaceId;

use crate::world::World;

/// Customers of a run, at most.
const CUSTOMERS_MAX: usize = 1_000;

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut replica = world.replica.lock();
    let workspace = WorkspaceId::default_workspace();
    let customers = replica
        .customers(&workspace, None, CUSTOMERS_MAX)
        .map_err(|error| error.to_string())?;
    let mut held: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for customer in customers {
        let state = replica
            .customer(&customer)
            .map_err(|error| error.to_string())?;
        for instance in state.iter().flat_map(|state| state.instances.values()) {
            let key = (instance.journey.clone(), instance.version);
            let (active, parked) = held.entry(key).or_default();
            *(if instance.parked.is_some() {
                parked
            } else {
                active
            }) += 1;
        }
    }
    for (version, counts) in replica.counts() {
        let (active, parked) = held.remove(version).unwrap_or_default();
        let here: u64 = counts.steps.values().map(|step| step.now()).sum();
        if (counts.active(), counts.parked(), here) != (active, parked, active + parked) {
            return Err(format!(
                "{version:?}: customers hold {active} active, {parked} parked, but {counts:?}"
            ));
        }
    }
    if held.is_empty() {
        Ok(())
    } else {
        Err(format!("instances that nothing counts: {held:?}"))
    }
}
