//! A timer fires only after its instant, only while it is armed, and once; at the end none is left.

use std::collections::BTreeMap;

use journey_customer::{ArmedTimer, EventBody};
use journey_types::Timestamp;

use crate::world::World;

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut armed: BTreeMap<_, Vec<ArmedTimer>> = BTreeMap::new();
    for (lsn, customer, fact) in &world.oracle.facts {
        match &fact.body {
            EventBody::Rested { instance, rest } => {
                armed.insert((customer.clone(), *instance), rest.timers.clone());
            }
            EventBody::StepMoved { instance, .. } => {
                armed.remove(&(customer.clone(), instance.number));
            }
            EventBody::InstanceEnded { instance, .. } => {
                armed.remove(&(customer.clone(), instance.number));
            }
            EventBody::TimerFired {
                instance,
                timer,
                due_at,
            } => {
                let key = (customer.clone(), instance.number);
                let timers = armed.entry(key).or_default();
                let position = timers
                    .iter()
                    .position(|t| t.kind == *timer && t.due_at == *due_at);
                let Some(position) = position else {
                    return Err(format!(
                        "{customer} at {lsn}: {timer:?} due {due_at} fired unarmed"
                    ));
                };
                timers.remove(position);
                if fact.stamp <= *due_at {
                    return Err(format!(
                        "{customer} at {lsn}: due {due_at} fired early at {}",
                        fact.stamp
                    ));
                }
            }
            _ => {}
        }
    }
    let left = world
        .replica
        .lock()
        .timers_due(None, Timestamp::MAX, 10)
        .map_err(|e| e.to_string())?;
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("timers are left: {left:?}"))
    }
}
