//! What must hold, one invariant a file (numbers of RELIABILITY section 2): the bounds after every input, the others at
//! the end of every run.

mod bounds;
mod claims;
mod conserved_counts;
mod effects_handed_over;
mod equal_replicas;
mod gapless_facts;
mod nothing_lost;
mod once_per_id;
mod producer_order;
mod timers;

pub(crate) use bounds::{check as check_bounds, check_entry};

use crate::world::World;

/// One invariant: what is wrong, in words.
type Check = fn(&World) -> Result<(), String>;

/// Checks them all and reports the first that is broken.
pub(crate) fn check_all(world: &World) -> Result<(), String> {
    let checks: [(&str, Check); 9] = [
        ("2 single writer: facts are gapless", gapless_facts::check),
        ("3 nothing acknowledged is lost", nothing_lost::check),
        ("4 an id takes effect once", once_per_id::check),
        ("G3 producers keep their order", producer_order::check),
        (
            "5 timers: never early, never twice, none left",
            timers::check,
        ),
        ("6 instances are conserved", conserved_counts::check),
        ("9 claims exclude each other", claims::check),
        ("7 replicas are equal", equal_replicas::check),
        (
            "9 effects are handed over or withdrawn",
            effects_handed_over::check,
        ),
    ];
    for (name, check) in checks {
        check(world).map_err(|reason| format!("invariant {name}: {reason}"))?;
    }
    Ok(())
}
