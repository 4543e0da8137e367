//! Nothing grows beyond its bound, looked at after every input: mailboxes, hosted customers, timers, offers, proposals,
//! quarantined commands, entries, credit, what the replica keeps in memory.

use std::collections::BTreeSet;

use journey_partition::core::limits::{
    BATCH_SIZE_BYTES_TARGET, ENTRY_SIZE_BYTES_MAX, OFFERING_CUSTOMERS_MAX, PROPOSALS_IN_FLIGHT_MAX,
    QUARANTINED_COMMANDS_MAX, TIMERS_IN_MEMORY_MAX,
};
use journey_partition::{Lifecycle, PartitionStatus, Role};
use journey_types::CustomerKey;
use journey_types::limits::CUSTOMER_MAILBOX_MAX;

use crate::traffic::customer_key;
use crate::world::{CLEAN_SIZE_BYTES_MAX, HOSTED_MAX, WORKER_CREDIT, World};

/// Effects of one customer that are offered at once: one of each of two channels, and the call or task of its one run of
/// `works`.
const N_OFFERS: usize = 3;
/// What a batch may have beyond its target: it is closed by the record that passes it.
const BATCH_OVERSHOOT_BYTES: usize = BATCH_SIZE_BYTES_TARGET;

pub(crate) fn check(world: &World, status: &PartitionStatus) -> Result<(), String> {
    let n_customers = world.watch.n_customers as usize;
    let at_most = |what: &str, n: usize, n_max: usize| {
        if n <= n_max {
            return Ok(());
        }
        Err(format!("{n} {what}, at most {n_max} may be: {status:?}"))
    };
    let mailed_max = (CUSTOMER_MAILBOX_MAX + N_OFFERS) * n_customers;
    at_most("commands in mailboxes", status.n_mailed, mailed_max)?;
    // One that travels alone may come on top.
    let in_flight_max = PROPOSALS_IN_FLIGHT_MAX + 1;
    at_most("proposals in flight", status.n_in_flight, in_flight_max)?;
    let timers_max = TIMERS_IN_MEMORY_MAX.min(n_customers);
    at_most("timers in memory", status.n_timers_in_memory, timers_max)?;
    let offers_max = OFFERING_CUSTOMERS_MAX.min(n_customers) * N_OFFERS;
    at_most("effects offered", status.n_effects_offered, offers_max)?;
    let n_quarantined = world.core.quarantined().count();
    at_most(
        "quarantined commands",
        n_quarantined,
        QUARANTINED_COMMANDS_MAX,
    )?;
    at_most(
        "effects of credit",
        world.credit_left() as usize,
        WORKER_CREDIT as usize,
    )?;
    let stats = world.replica.lock().stats();
    let (n_clean, clean) = (stats.n_clean, stats.clean_size_bytes);
    if n_clean > 1 {
        at_most(
            "bytes of customers kept beside those to be written",
            clean,
            CLEAN_SIZE_BYTES_MAX,
        )?;
    }
    let n_replica = stats.n_dirty + n_clean;
    at_most("customers in the replica's memory", n_replica, n_customers)?;
    if status.role == Role::Follower {
        at_most("proposals of a follower", status.n_in_flight, 0)?;
        at_most("commands of a follower", status.n_mailed, 0)?;
    }
    check_hosted(world, status.n_hosted)
}

/// Customers beyond the bound are in memory only while they have something to do, or panicked a moment ago.
fn check_hosted(world: &World, n_hosted: usize) -> Result<(), String> {
    if n_hosted <= HOSTED_MAX {
        return Ok(());
    }
    let customers: Vec<CustomerKey> = (0..world.watch.n_customers).map(customer_key).collect();
    let is_kept = |customer: &&CustomerKey| {
        !matches!(
            world.core.lifecycle(customer),
            Lifecycle::Idle | Lifecycle::Passive
        )
    };
    let mut kept: BTreeSet<&CustomerKey> = customers.iter().filter(is_kept).collect();
    let stamp = world.watch.stamp().max(world.now);
    let is_struck = |customer: &&CustomerKey| world.core.has_fresh_strikes(customer, stamp);
    kept.extend(customers.iter().filter(is_struck));
    if n_hosted <= HOSTED_MAX + kept.len() {
        return Ok(());
    }
    Err(format!(
        "{n_hosted} customers are in memory, {} of them with something to do, at most {HOSTED_MAX} others may be",
        kept.len()
    ))
}

/// An entry of several turns stays about within the target, and none is beyond what an entry may be.
pub(crate) fn check_entry(n_records: usize, size_bytes: usize) {
    assert!(
        size_bytes <= ENTRY_SIZE_BYTES_MAX,
        "invariant 13 bounds: an entry of {size_bytes} bytes"
    );
    assert!(
        n_records == 1 || size_bytes <= BATCH_SIZE_BYTES_TARGET + BATCH_OVERSHOOT_BYTES,
        "invariant 13 bounds: a batch of {n_records} turns takes {size_bytes} bytes"
    );
}
