//! Strategies for what is set aside, and for the facts about it.

use std::sync::Arc;

use journey_customer::{Closing, EventBody, IngestMode, Parking, QuarantinedCommand, SetAside};
use journey_types::CustomerKey;
use proptest::option::of;
use proptest::prelude::*;

use super::{customer_event, enrollment, sequence, text, timestamp};

pub(super) fn fact(key: CustomerKey) -> BoxedStrategy<EventBody> {
    prop_oneof![
        (sequence(), text(), any::<u32>()).prop_map(|(effect, reason, size_bytes)| {
            EventBody::EffectDeadLettered {
                effect,
                reason,
                size_bytes,
            }
        }),
        quarantined(key).prop_map(|command| EventBody::CommandQuarantined(Box::new(command))),
        text().prop_map(|reason| EventBody::CustomerParked { reason }),
        Just(EventBody::CustomerReleased),
        (sequence(), any::<bool>(), 0..4_usize, any::<u32>()).prop_map(
            |(number, is_letter, how, size_bytes)| {
                let what = if is_letter {
                    SetAside::DeadLetter(number)
                } else {
                    SetAside::Command(number)
                };
                let ends = [
                    Closing::Replayed,
                    Closing::Discarded,
                    Closing::Expired,
                    Closing::Settled,
                ];
                EventBody::SetAsideClosed {
                    what,
                    how: ends[how],
                    size_bytes,
                }
            }
        ),
    ]
    .boxed()
}

pub(crate) fn quarantined(key: CustomerKey) -> BoxedStrategy<QuarantinedCommand> {
    (
        text(),
        of(customer_event(key)),
        of(enrollment()),
        any::<bool>(),
        text(),
        timestamp(),
        any::<u32>(),
    )
        .prop_map(
            |(kind, event, enrollment, is_live, reason, since, size_bytes)| {
                let mode = if is_live {
                    IngestMode::Live
                } else {
                    IngestMode::History
                };
                QuarantinedCommand {
                    kind,
                    event,
                    enrollment,
                    mode,
                    reason,
                    since,
                    size_bytes,
                }
            },
        )
        .boxed()
}

pub(super) fn parking() -> BoxedStrategy<Option<Arc<Parking>>> {
    let parking = (timestamp(), text());
    of(parking.prop_map(|(since, reason)| Arc::new(Parking { since, reason }))).boxed()
}

/// A handing over, whose attempt is kept with what is set aside.
pub(super) fn claimed() -> BoxedStrategy<EventBody> {
    (sequence(), any::<u32>(), timestamp(), text())
        .prop_map(
            |(effect, attempt, until, worker)| EventBody::EffectClaimed {
                effect,
                attempt,
                until,
                worker,
            },
        )
        .boxed()
}
