//! Strategies for every stored type, for the tests of this crate.

pub(crate) mod entrance;
mod set_aside;
pub(crate) mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{
    ArmedTimer, Departure, Ending, EventBody, FallbackScope, Feed, IngestMode, InstanceEntered,
    InstanceRef, JournalEvent, MessageGranted, Outcome, RaisedEvent, Rest, TimerKind, WorkEmitted,
    WorkKind,
};
use journey_types::{
    AggregateId, BatchNumber, BirthIndex, CatalogRevision, Channel, ConnectorId, ContentId,
    ContentVersion, CustomerEvent, CustomerId, CustomerKey, DefinitionVersion, Destination,
    EventId, EventName, Fingerprint, InstanceNumber, JourneyId, QueueId, Sequence, SessionId,
    SourceName, StepId, TimeSpan, Timestamp, Value, WorkspaceId,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use self::entrance::{enrollment, entrance};
use crate::journal::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zé ]{1,8}", "[a-z]{130,140}"]
}

pub(crate) fn id<T>() -> impl Strategy<Value = T>
where
    T: std::str::FromStr + std::fmt::Debug,
    T::Err: std::fmt::Debug,
{
    prop_oneof![Just("default".to_owned()), "[a-z][a-z0-9_]{0,6}"]
        .prop_map(|text: String| text.parse().unwrap())
}

fn small_or_any() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..3, 2 => 100_u64..1_000, 1 => any::<u64>()]
}

macro_rules! number_strategies {
    ($($name:ident: $type:ident),* $(,)?) => {$(
        pub(crate) fn $name() -> impl Strategy<Value = $type> {
            small_or_any().prop_map(|number| $type::new(number.try_into().unwrap_or(u32::MAX.into())))
        }
    )*};
}
number_strategies!(
    session: SessionId,
    batch_number: BatchNumber,
    revision: CatalogRevision,
    sequence: Sequence,
    birth: BirthIndex,
    instance_number: InstanceNumber,
    aggregate_id: AggregateId,
    version: DefinitionVersion,
    content_version: ContentVersion,
);

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::EPOCH),
        Just(Timestamp::MAX),
        (0_i64..2_000_000_000_000).prop_map(Timestamp::from_unix_ms),
    ]
}

pub(crate) fn nanos() -> impl Strategy<Value = i128> {
    prop_oneof![
        Just(0),
        any::<i8>().prop_map(i128::from),
        (-300_i128..300),
        any::<i64>().prop_map(i128::from),
        any::<i128>(),
        Just(i128::MIN),
        Just(i128::MAX),
    ]
}

pub(crate) fn customer_key() -> BoxedStrategy<CustomerKey> {
    (id::<WorkspaceId>(), id::<CustomerId>())
        .prop_map(|(workspace, customer)| CustomerKey {
            workspace,
            customer,
        })
        .boxed()
}

pub(crate) fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    any::<[u8; 16]>().prop_map(Fingerprint::from_bytes)
}

pub(crate) fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i64>().prop_map(|bits| Value::Double(bits as f64 / 8.0)),
        Just(Value::Double(-0.0)),
        text().prop_map(Value::Text),
        timestamp().prop_map(Value::Time),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            btree_map(text(), inner, 0..4).prop_map(Value::Map),
        ]
    })
    .boxed()
}

pub(crate) fn values() -> impl Strategy<Value = BTreeMap<String, Value>> {
    btree_map(text(), value(), 0..4)
}

/// Events, mostly of the given customer.
pub(crate) fn customer_event(key: CustomerKey) -> BoxedStrategy<Arc<CustomerEvent>> {
    (
        prop_oneof![9 => Just(key), 1 => customer_key()],
        id::<SourceName>(),
        id::<EventId>(),
        id::<EventName>(),
        timestamp(),
        of(text()),
        of(text()),
        values(),
    )
        .prop_map(
            |(customer, source, id, name, occurred_at, channel, device, properties)| {
                Arc::new(CustomerEvent {
                    customer,
                    source,
                    id,
                    name,
                    occurred_at,
                    channel,
                    device,
                    properties,
                })
            },
        )
        .boxed()
}

pub(crate) fn instance_ref() -> BoxedStrategy<InstanceRef> {
    (instance_number(), id::<JourneyId>(), version())
        .prop_map(|(number, journey, version)| InstanceRef {
            number,
            journey,
            version,
        })
        .boxed()
}

fn feed() -> impl Strategy<Value = Feed> {
    (
        aggregate_id(),
        of(any::<i64>().prop_map(TimeSpan::from_ms)),
        nanos(),
    )
        .prop_map(|(aggregate, window_max, amount_nanos)| Feed {
            aggregate,
            window_max,
            amount_nanos,
        })
}

fn timer_kind() -> impl Strategy<Value = TimerKind> {
    prop_oneof![
        Just(TimerKind::Delay),
        any::<u16>().prop_map(TimerKind::Branch),
        Just(TimerKind::StepTimeout),
        Just(TimerKind::Recheck),
        Just(TimerKind::Sla),
    ]
}

pub(crate) fn rest() -> BoxedStrategy<Rest> {
    (
        vec(
            (timestamp(), timer_kind()).prop_map(|(due_at, kind)| ArmedTimer { due_at, kind }),
            0..3,
        ),
        btree_map(any::<u16>(), any::<bool>(), 0..3),
        of(sequence()),
    )
        .prop_map(|(timers, when_values, awaited_effect)| Rest {
            timers,
            when_values,
            awaited_effect,
        })
        .boxed()
}

fn departure() -> impl Strategy<Value = Departure> {
    prop_oneof![
        Just(Departure::Done),
        Just(Departure::Skipped),
        Just(Departure::TimedOut),
        any::<u16>().prop_map(Departure::Branch),
        (of(any::<u16>()), timestamp())
            .prop_map(|(branch_idx, due_at)| Departure::AlreadyDue { branch_idx, due_at }),
        text().prop_map(Departure::Failed),
        text().prop_map(Departure::Refused),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Completed),
        text().prop_map(Ending::Goal),
        text().prop_map(Ending::Exited),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Sent),
        Just(Outcome::Delivered),
        of(timestamp()).prop_map(|retry_at| Outcome::Returned { retry_at }),
        value().prop_map(|result| Outcome::Completed { result }),
        text().prop_map(|reason| Outcome::FailedForGood { reason }),
        (text(), timestamp())
            .prop_map(|(reason, retry_at)| Outcome::FailedForNow { reason, retry_at }),
    ]
}

pub(crate) fn raised_event(key: CustomerKey) -> BoxedStrategy<RaisedEvent> {
    (any::<u8>(), customer_event(key), instance_ref())
        .prop_map(|(depth, event, raised_by)| RaisedEvent {
            depth,
            event,
            raised_by,
        })
        .boxed()
}

fn instance_entered(key: CustomerKey) -> BoxedStrategy<EventBody> {
    (
        instance_ref(),
        of(text()),
        id::<StepId>(),
        entrance(key),
        btree_map(text(), of(timestamp()), 0..3),
        of(timestamp()),
    )
        .prop_map(|(of, key, step, entry, goals, remembered_until)| {
            EventBody::InstanceEntered(Box::new(InstanceEntered {
                instance: of.number,
                journey: of.journey,
                version: of.version,
                key,
                step,
                entry,
                goals,
                remembered_until,
            }))
        })
        .boxed()
}

pub(crate) fn fallback(key: CustomerKey) -> BoxedStrategy<Arc<FallbackScope>> {
    (of(text()), entrance(key), timestamp(), values())
        .prop_map(|(key, entry, entered_at, vars)| {
            Arc::new(FallbackScope {
                key,
                entry,
                entered_at,
                vars,
            })
        })
        .boxed()
}

fn message_granted(key: CustomerKey) -> BoxedStrategy<EventBody> {
    (
        (instance_ref(), id::<StepId>(), id::<Channel>()),
        (id::<ContentId>(), content_version(), of(text())),
        btree_map(text(), text(), 0..3),
        (text(), text()),
        of(timestamp()),
        vec(id::<Channel>(), 0..3),
        of(fallback(key)),
    )
        .prop_map(
            |(asked, said, rendered, (why, purpose), send_by, failed_channels, fallback)| {
                let (of, step, channel) = asked;
                let (content, content_version, locale) = said;
                EventBody::MessageGranted(Box::new(MessageGranted {
                    instance: of.number,
                    journey: of.journey,
                    version: of.version,
                    step,
                    channel,
                    content,
                    content_version,
                    locale,
                    rendered,
                    why,
                    purpose,
                    send_by,
                    failed_channels,
                    fallback,
                }))
            },
        )
        .boxed()
}

pub(crate) fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![
        id::<Channel>().prop_map(Destination::Channel),
        id::<QueueId>().prop_map(Destination::Queue),
        id::<ConnectorId>().prop_map(Destination::Connector),
    ]
}

pub(crate) fn work_kind() -> impl Strategy<Value = WorkKind> {
    prop_oneof![Just(WorkKind::Call), Just(WorkKind::Task)]
}

fn work_emitted() -> BoxedStrategy<EventBody> {
    (
        (instance_ref(), id::<StepId>()),
        work_kind(),
        destination(),
        values(),
        text(),
        of(timestamp()),
        of(timestamp()),
    )
        .prop_map(
            |((of, step), kind, destination, input, purpose, due_at, send_by)| {
                EventBody::WorkEmitted(Box::new(WorkEmitted {
                    instance: of.number,
                    journey: of.journey,
                    version: of.version,
                    step,
                    kind,
                    destination,
                    input,
                    purpose,
                    due_at,
                    send_by,
                }))
            },
        )
        .boxed()
}

fn task_overdue() -> impl Strategy<Value = EventBody> {
    (instance_ref(), sequence(), timestamp(), of(destination())).prop_map(
        |(instance, effect, due_at, escalated_to)| EventBody::TaskOverdue {
            instance,
            effect,
            due_at,
            escalated_to,
        },
    )
}

fn profile_fact(key: CustomerKey) -> BoxedStrategy<EventBody> {
    prop_oneof![
        birth().prop_map(|birth| EventBody::CustomerBorn { birth }),
        (
            of(fingerprint()),
            customer_event(key),
            of(instance_ref()),
            prop_oneof![Just(IngestMode::Live), Just(IngestMode::History)],
            vec(feed(), 0..3),
        )
            .prop_map(|(fingerprint, event, raised_by, mode, feeds)| {
                EventBody::EventAccepted {
                    fingerprint,
                    event,
                    raised_by,
                    mode,
                    feeds,
                }
            }),
        (text(), of(value())).prop_map(|(name, value)| EventBody::TraitChanged { name, value }),
        of(text()).prop_map(|stage| EventBody::LifecycleChanged { stage }),
    ]
    .boxed()
}

fn entry_fact(key: CustomerKey) -> BoxedStrategy<EventBody> {
    prop_oneof![
        instance_entered(key.clone()),
        (id::<JourneyId>(), version(), text()).prop_map(|(journey, version, reason)| {
            EventBody::EntryRefused {
                journey,
                version,
                reason,
            }
        }),
        (id::<JourneyId>(), of(text()), entrance(key), any::<u32>(),).prop_map(
            |(journey, key, entry, n_dropped)| EventBody::EntryQueued {
                journey,
                key,
                entry,
                n_dropped,
            }
        ),
        (fingerprint(), id::<JourneyId>()).prop_map(|(fingerprint, journey)| {
            EventBody::EnrollmentAccepted {
                fingerprint,
                journey,
            }
        }),
        (id::<JourneyId>(), of(text()))
            .prop_map(|(journey, key)| EventBody::EntryDequeued { journey, key }),
    ]
    .boxed()
}

fn moving_fact() -> BoxedStrategy<EventBody> {
    prop_oneof![
        (
            instance_ref(),
            id::<StepId>(),
            departure(),
            of(id::<StepId>()),
        )
            .prop_map(|(instance, from, how, to)| EventBody::StepMoved {
                instance,
                from,
                how,
                to,
            }),
        (instance_number(), rest())
            .prop_map(|(instance, rest)| EventBody::Rested { instance, rest }),
        (instance_ref(), timer_kind(), timestamp()).prop_map(|(instance, timer, due_at)| {
            EventBody::TimerFired {
                instance,
                timer,
                due_at,
            }
        }),
        (instance_number(), id::<StepId>(), any::<u16>()).prop_map(
            |(instance, step, branch_idx)| EventBody::BranchForeseen {
                instance,
                step,
                branch_idx,
            }
        ),
        (instance_number(), text(), of(value())).prop_map(|(instance, name, value)| {
            EventBody::VarChanged {
                instance,
                name,
                value,
            }
        }),
    ]
    .boxed()
}

fn ending_fact() -> BoxedStrategy<EventBody> {
    prop_oneof![
        (instance_ref(), text())
            .prop_map(|(instance, goal)| EventBody::GoalReached { instance, goal }),
        (instance_ref(), text())
            .prop_map(|(instance, reason)| EventBody::InstanceParked { instance, reason }),
        (
            instance_ref(),
            timestamp(),
            of(id::<StepId>()),
            any::<bool>(),
            ending(),
        )
            .prop_map(|(instance, entered_at, left, was_parked, ending)| {
                EventBody::InstanceEnded {
                    instance,
                    entered_at,
                    left,
                    was_parked,
                    ending,
                }
            }),
    ]
    .boxed()
}

fn effect_fact(key: CustomerKey) -> BoxedStrategy<EventBody> {
    prop_oneof![
        message_granted(key),
        work_emitted(),
        task_overdue(),
        (instance_ref(), id::<ContentId>(), text()).prop_map(|(instance, content, reason)| {
            EventBody::MessageRefused {
                instance,
                content,
                reason,
            }
        }),
        set_aside::claimed(),
        (sequence(), text())
            .prop_map(|(effect, reason)| EventBody::EffectWithdrawn { effect, reason }),
        (sequence(), any::<u32>(), outcome()).prop_map(|(effect, attempt, outcome)| {
            EventBody::EffectSettled {
                effect,
                attempt,
                outcome,
            }
        }),
    ]
    .boxed()
}

fn pausing_fact(key: CustomerKey) -> BoxedStrategy<EventBody> {
    prop_oneof![
        (
            any::<u32>(),
            vec(raised_event(key), 0..3),
            vec((any::<u8>(), instance_number()), 0..3),
        )
            .prop_map(|(round, events, instances)| EventBody::TurnPaused {
                round,
                events,
                instances,
            }),
        Just(EventBody::TurnResumed),
    ]
    .boxed()
}

/// Any fact of a customer.
pub(crate) fn body(key: &CustomerKey) -> BoxedStrategy<EventBody> {
    prop_oneof![
        profile_fact(key.clone()),
        entry_fact(key.clone()),
        moving_fact(),
        ending_fact(),
        effect_fact(key.clone()),
        set_aside::fact(key.clone()),
        pausing_fact(key.clone()),
    ]
    .boxed()
}

/// Turns as they should be (one stamp, sequences in a row), and some that are not.
pub(crate) fn turn() -> BoxedStrategy<Turn> {
    customer_key()
        .prop_flat_map(|customer| {
            let regular = (timestamp(), 0_u64..1_000, vec(body(&customer), 0..8)).prop_map(
                |(stamp, first, bodies)| {
                    (first..)
                        .zip(bodies)
                        .map(|(sequence, body)| JournalEvent {
                            sequence: Sequence::new(sequence),
                            stamp,
                            body,
                        })
                        .collect()
                },
            );
            let irregular = vec(
                (sequence(), timestamp(), body(&customer)).prop_map(|(sequence, stamp, body)| {
                    JournalEvent {
                        sequence,
                        stamp,
                        body,
                    }
                }),
                0..4,
            );
            prop_oneof![3 => regular, 1 => irregular].prop_map(move |events| Turn {
                customer: customer.clone(),
                events,
            })
        })
        .boxed()
}

fn record() -> BoxedStrategy<Record> {
    prop_oneof![
        4 => turn().prop_map(Record::Turn),
        1 => (timestamp(), revision(), any::<[u8; 32]>()).prop_map(|(stamp, revision, digest)| {
            Record::CatalogAdopted(CatalogAdopted { stamp, revision, digest })
        }),
    ]
    .boxed()
}

/// Any entry.
pub(crate) fn entry() -> BoxedStrategy<JournalEntry> {
    prop_oneof![
        1 => any::<u64>().prop_map(|opener| JournalEntry::SessionOpened(SessionOpened { opener })),
        6 => (session(), batch_number(), vec(record(), 0..4)).prop_map(
            |(session, number, records)| JournalEntry::Batch(Batch { session, number, records })
        ),
    ]
    .boxed()
}
