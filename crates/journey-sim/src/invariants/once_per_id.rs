//! An event id is taken in once in 7 days, and an outcome is recorded once.

use journey_types::limits::DEDUPE_WINDOW;

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    for ((customer, id), stamps) in world.oracle.ingested() {
        if let Some(pair) = stamps
            .windows(2)
            .find(|pair| pair[1].since(pair[0]) <= DEDUPE_WINDOW)
        {
            return Err(format!(
                "event {id} of {customer} took effect at {} and at {}",
                pair[0], pair[1]
            ));
        }
    }
    for ((customer, effect), n_outcomes) in world.oracle.terminal_outcomes() {
        if n_outcomes > 1 {
            return Err(format!(
                "effect {effect} of {customer} has {n_outcomes} terminal outcomes"
            ));
        }
    }
    Ok(())
}
