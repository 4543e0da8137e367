//! A replica that applies the whole journal from nothing holds the same state, hash for hash (G8).

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let (replayed, applied) = world.replayed();
    let mut replica = world.replica.lock();
    let here = replica.state_hash().map_err(|error| error.to_string())?;
    if here == replayed {
        return Ok(());
    }
    Err(format!(
        "after {applied} the replica hashes to {here:032x}, a replay to {replayed:032x}"
    ))
}
