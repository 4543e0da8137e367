//! A claim excludes every other until it runs out, its worker says that it failed for now, or it is given back, which
//! happens only to what did not go out; attempts count 1, 2, 3 …; what was withdrawn or has its outcome is claimed no more.

use std::collections::BTreeMap;

use journey_customer::{EventBody, Outcome};
use journey_types::{CustomerKey, Sequence, Timestamp};

use crate::world::World;

/// An effect that may be claimed again.
struct Open {
    free_from: Timestamp,
    attempt: u32,
}

pub(super) fn check(world: &World) -> Result<(), String> {
    let mut open: BTreeMap<_, Open> = BTreeMap::new();
    for (lsn, customer, fact) in &world.oracle.facts {
        match &fact.body {
            EventBody::MessageGranted(_) | EventBody::WorkEmitted(_) => {
                let granted = Open {
                    free_from: fact.stamp,
                    attempt: 0,
                };
                open.insert((customer.clone(), fact.sequence), granted);
            }
            EventBody::EffectClaimed {
                effect,
                attempt,
                until,
                ..
            } => {
                let before = open.get_mut(&(customer.clone(), *effect));
                let Some(before) = before else {
                    return Err(format!(
                        "{customer} at {lsn}: effect {effect} is closed and was claimed"
                    ));
                };
                if fact.stamp < before.free_from || *attempt != before.attempt + 1 {
                    return Err(format!(
                        "{customer} at {lsn}: effect {effect} was claimed at {} as attempt {attempt}, but attempt {} has it until {}",
                        fact.stamp, before.attempt, before.free_from
                    ));
                }
                before.free_from = *until;
                before.attempt = *attempt;
            }
            EventBody::EffectSettled {
                effect,
                outcome: Outcome::FailedForNow { retry_at, .. },
                ..
            } => {
                if let Some(before) = open.get_mut(&(customer.clone(), *effect)) {
                    before.free_from = *retry_at;
                }
            }
            EventBody::EffectSettled {
                effect,
                attempt,
                outcome: Outcome::Returned { retry_at },
            } => {
                if went_out(world, (customer, *effect), *attempt) {
                    return Err(format!(
                        "{customer} at {lsn}: attempt {attempt} of effect {effect} went out and was given back"
                    ));
                }
                if let Some(before) = open.get_mut(&(customer.clone(), *effect)) {
                    before.free_from = retry_at.unwrap_or(fact.stamp);
                }
            }
            // Offered elsewhere at once, be it with a worker or not.
            EventBody::TaskOverdue {
                effect,
                escalated_to: Some(_),
                ..
            } => {
                if let Some(before) = open.get_mut(&(customer.clone(), *effect)) {
                    before.free_from = fact.stamp;
                }
            }
            EventBody::EffectSettled { effect, .. } | EventBody::EffectWithdrawn { effect, .. } => {
                open.remove(&(customer.clone(), *effect));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an attempt was handed to a worker.
fn went_out(world: &World, (customer, effect): (&CustomerKey, Sequence), attempt: u32) -> bool {
    let attempts = world.oracle.hand_overs.get(&(customer.clone(), effect));
    attempts.is_some_and(|attempts| attempts.contains(&attempt))
}
