//! Events of one ordered producer take effect in its order, of each customer (G3). Where deciding panics, only those are
//! looked at that the producer did not have to send again.

use std::collections::BTreeMap;

use journey_customer::EventBody;

use crate::traffic::ORDERED_SOURCE;
use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut last = BTreeMap::new();
    for (lsn, customer, fact) in &world.oracle.facts {
        let EventBody::EventAccepted {
            fingerprint: Some(_),
            event,
            ..
        } = &fact.body
        else {
            continue;
        };
        if event.source.as_str() != ORDERED_SOURCE {
            continue;
        }
        let serial: u64 = event
            .id
            .as_str()
            .parse()
            .map_err(|_| format!("{customer} at {lsn}: event {} has no number", event.id))?;
        // It may have been refused for good in between, with what came behind it done.
        if world.deciding_panics && world.oracle.unheard.contains(&serial) {
            continue;
        }
        let before = last.insert(customer.clone(), serial).unwrap_or_default();
        if serial <= before {
            return Err(format!(
                "{customer} at {lsn}: event {serial} of the ordered producer took effect after its event {before}"
            ));
        }
    }
    Ok(())
}
