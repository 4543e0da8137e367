//! Every event answered `accepted` or `duplicate` stands in the journal; what was refused as not done
//! does not.

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let ingested = world.oracle.ingested();
    for ((customer, id), lsn) in &world.oracle.accepted {
        if !ingested.contains_key(&(customer.clone(), id.clone())) {
            return Err(format!(
                "event {id} of {customer} was acknowledged at {lsn} and is not there"
            ));
        }
    }
    for (customer, id) in &world.oracle.duplicates {
        if !ingested.contains_key(&(customer.clone(), id.clone())) {
            return Err(format!(
                "event {id} of {customer} was answered `duplicate` and is not there"
            ));
        }
    }
    match ingested
        .keys()
        .find(|id| !world.oracle.possibly_done.contains(id))
    {
        None => Ok(()),
        Some(id) => Err(format!(
            "event {id:?} took effect though every submission was told that nothing was done"
        )),
    }
}
