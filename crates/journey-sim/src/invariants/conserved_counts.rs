//! What the replica counts as entered, ended, active and parked is what the journal says and what customers hold; at
//! the end every instance has ended.

use std::collections::BTreeMap;

use journey_customer::EventBody;
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
    if !held.is_empty() {
        return Err(format!("instances that nothing counts: {held:?}"));
    }
    let mut n_counted = (0, 0);
    for counts in replica.counts().values() {
        let n_ended = counts.completed + counts.held_out + counts.exited.values().sum::<u64>();
        n_counted.0 += counts.entered;
        n_counted.1 += n_ended;
    }
    let (mut n_entered, mut n_ended) = (0, 0);
    for (_, _, fact) in &world.oracle.facts {
        n_entered += u64::from(matches!(fact.body, EventBody::InstanceEntered(_)));
        n_ended += u64::from(matches!(fact.body, EventBody::InstanceEnded { .. }));
    }
    if n_counted != (n_entered, n_ended) || n_entered != n_ended {
        return Err(format!(
            "the journal says that {n_entered} entered and {n_ended} ended, the counts {n_counted:?}"
        ));
    }
    Ok(())
}
