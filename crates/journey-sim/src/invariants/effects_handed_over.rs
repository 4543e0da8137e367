//! Every effect that was emitted was handed over at least once or withdrawn with a journaled reason.

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let (emitted, withdrawn) = world.oracle.emitted_and_withdrawn();
    let settled = world.oracle.terminal_outcomes();
    for effect in &emitted {
        let was_handed_over = world.oracle.hand_overs.contains_key(effect);
        if !was_handed_over && !withdrawn.contains(effect) {
            return Err(format!(
                "effect {effect:?} was neither handed over nor withdrawn"
            ));
        }
    }
    for ((effect, attempt), _) in world.oracle.recorded.iter().map(|recorded| (recorded, ())) {
        if !emitted.contains(effect) {
            return Err(format!(
                "an outcome of {effect:?}, attempt {attempt}, was recorded for nothing"
            ));
        }
    }
    match settled.keys().find(|effect| !emitted.contains(effect)) {
        None => Ok(()),
        Some(effect) => Err(format!("{effect:?} has an outcome and was never emitted")),
    }
}
