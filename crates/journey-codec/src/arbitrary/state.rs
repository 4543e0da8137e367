//! Strategies for customers and for what a partition counts.

use std::sync::Arc;

use journey_customer::{
    Aggregate, Attempt, CustomerState, DeadLetter, Dedupe, DedupeChunk, EffectBody, EffectStatus,
    Instance, JourneyMemory, MessageBody, OutboxRow, PausedTurn, TimelineEntry, WatchedGoal,
    WorkBody,
};
use journey_types::{
    Channel, ContentId, CustomerKey, EventName, Fingerprint, JourneyId, StepId, TimeSpan, Timestamp,
};
use proptest::collection::{btree_map, vec, vec_deque};
use proptest::option::of;
use proptest::prelude::*;

use super::set_aside::{parking, quarantined};
use super::{
    aggregate_id, batch_number, birth, content_version, customer_key, destination, entrance,
    fallback, fingerprint, id, instance_number, instance_ref, nanos, raised_event, rest, revision,
    sequence, session, text, timestamp, values, work_kind,
};
use crate::{Control, Durations, Held, JourneyCounts, StepCounts};

fn aggregate() -> BoxedStrategy<Aggregate> {
    (
        any::<u64>(),
        of(timestamp()),
        of(timestamp()),
        nanos(),
        vec_deque((timestamp(), nanos()), 0..4),
    )
        .prop_map(|(n_events, first, last, sum_nanos, recent)| Aggregate {
            n_events,
            first,
            last,
            sum_nanos,
            recent,
        })
        .boxed()
}

fn ids() -> BoxedStrategy<Vec<(Fingerprint, Timestamp)>> {
    vec((fingerprint(), timestamp()), 0..6).boxed()
}

fn dedupe() -> BoxedStrategy<Dedupe> {
    let chunk = (timestamp(), vec(any::<u16>(), 0..6), any::<u64>());
    (ids(), vec_deque(chunk, 0..4), 0_u64..3)
        .prop_map(|(open, chunks, first)| {
            let next_segment = (first + chunks.len() as u64) * 8;
            let chunks = (first..)
                .zip(chunks)
                .map(|(number, (newest, prefixes, digest))| {
                    Arc::new(DedupeChunk {
                        number,
                        newest,
                        prefixes,
                        digest,
                    })
                })
                .collect();
            Dedupe {
                open,
                chunks,
                next_segment,
                unwritten: Arc::default(),
            }
        })
        .boxed()
}

fn instance(key: CustomerKey) -> BoxedStrategy<Arc<Instance>> {
    (
        (instance_ref(), of(text())),
        (entrance(key), timestamp()),
        (id::<StepId>(), timestamp(), rest()),
        of(text()),
        values(),
        btree_map(text(), of(timestamp()), 0..3),
        vec((id::<StepId>(), any::<u16>()), 0..3),
    )
        .prop_map(
            |((of, key), (entry, entered_at), at, parked, vars, open_goals, foreseen)| {
                let (step, step_entered_at, rest) = at;
                Arc::new(Instance {
                    number: of.number,
                    journey: of.journey,
                    version: of.version,
                    key,
                    entry,
                    entered_at,
                    step,
                    step_entered_at,
                    rest,
                    parked,
                    vars,
                    open_goals,
                    foreseen,
                })
            },
        )
        .boxed()
}

fn memory(key: CustomerKey) -> BoxedStrategy<JourneyMemory> {
    let state = prop_oneof![
        Just("active"),
        Just("parked"),
        Just("completed"),
        Just("exited"),
        Just("held_out"),
    ];
    (
        of((instance_number(), state)),
        text(),
        btree_map(text(), (timestamp(), timestamp()), 0..3),
        btree_map(text(), vec_deque(entrance(key), 0..3), 0..3),
    )
        .prop_map(|(newest, outcome, entries, queue)| JourneyMemory {
            newest,
            outcome,
            entries,
            queue,
        })
        .boxed()
}

fn watched_goal(key: CustomerKey) -> BoxedStrategy<WatchedGoal> {
    (
        instance_ref(),
        of(text()),
        entrance(key),
        text(),
        timestamp(),
    )
        .prop_map(|(of, key, entry, goal, until)| WatchedGoal {
            instance: of.number,
            journey: of.journey,
            version: of.version,
            key,
            entry,
            goal,
            until,
        })
        .boxed()
}

fn effect_body(key: CustomerKey) -> BoxedStrategy<EffectBody> {
    let message = (
        (id::<ContentId>(), content_version(), of(text())),
        (btree_map(text(), text(), 0..3), text()),
        vec(id::<Channel>(), 0..3),
        of(fallback(key)),
    )
        .prop_map(|(said, words, failed_channels, fallback)| {
            let (content, content_version, locale) = said;
            let (rendered, why) = words;
            EffectBody::Message(MessageBody {
                content,
                content_version,
                locale,
                rendered,
                why,
                failed_channels,
                fallback,
            })
        });
    let work = (work_kind(), values(), of(timestamp())).prop_map(|(kind, input, due_at)| {
        EffectBody::Work(WorkBody {
            kind,
            input,
            due_at,
        })
    });
    prop_oneof![message, work].boxed()
}

fn outbox_row(key: CustomerKey) -> BoxedStrategy<Arc<OutboxRow>> {
    let status = prop_oneof![
        Just(EffectStatus::Open),
        timestamp().prop_map(|until| EffectStatus::Claimed { until }),
        (timestamp(), text())
            .prop_map(|(retry_at, reason)| EffectStatus::Retrying { retry_at, reason }),
    ];
    (
        (sequence(), birth(), timestamp(), of(timestamp())),
        (instance_ref(), id::<StepId>(), destination()),
        (text(), effect_body(key)),
        (any::<u32>(), status, vec(attempt(), 0..3)),
        (any::<u32>(), any::<u32>(), any::<u32>()),
    )
        .prop_map(|(times, asked, (purpose, body), standing, not_counted)| {
            let (effect, birth, created_at, send_by) = times;
            let (of, step, destination) = asked;
            let (attempt, status, attempts) = standing;
            let (attempts_before_replay, attempts_returned, returned_in_a_row) = not_counted;
            Arc::new(OutboxRow {
                effect,
                birth,
                created_at,
                instance: of.number,
                journey: of.journey,
                version: of.version,
                step,
                destination,
                purpose,
                send_by,
                body,
                attempt,
                status,
                attempts,
                attempts_before_replay,
                attempts_returned,
                returned_in_a_row,
            })
        })
        .boxed()
}

fn attempt() -> BoxedStrategy<Attempt> {
    (any::<u32>(), timestamp(), text(), of(text()))
        .prop_map(|(number, at, worker, failure)| Attempt {
            number,
            at,
            worker,
            failure,
        })
        .boxed()
}

fn dead_letter(key: CustomerKey) -> BoxedStrategy<Arc<DeadLetter>> {
    (outbox_row(key), timestamp(), text(), any::<u32>())
        .prop_map(|(row, since, reason, size_bytes)| {
            Arc::new(DeadLetter {
                row: Arc::unwrap_or_clone(row),
                since,
                reason,
                size_bytes,
            })
        })
        .boxed()
}

fn paused_turn(key: CustomerKey) -> BoxedStrategy<PausedTurn> {
    (
        timestamp(),
        any::<u32>(),
        vec(raised_event(key), 0..3),
        vec((any::<u8>(), instance_number()), 0..3),
    )
        .prop_map(|(stamp, round, events, instances)| PausedTurn {
            stamp,
            round,
            events,
            instances,
        })
        .boxed()
}

fn timeline_entry() -> BoxedStrategy<TimelineEntry> {
    (timestamp(), sequence(), of(instance_number()), text())
        .prop_map(|(stamp, sequence, instance, text)| TimelineEntry {
            stamp,
            sequence,
            instance,
            text: text.into(),
        })
        .boxed()
}

/// Any customer.
pub(crate) fn customer() -> BoxedStrategy<CustomerState> {
    customer_key()
        .prop_flat_map(|key| {
            (
                Just(key.clone()),
                (birth(), sequence(), timestamp(), instance_number()),
                (values(), of(text())),
                (btree_map(aggregate_id(), aggregate(), 0..3), dedupe()),
                btree_map(instance_number(), instance(key.clone()), 0..3),
                (
                    btree_map(id::<JourneyId>(), memory(key.clone()), 0..3),
                    vec(watched_goal(key.clone()), 0..3),
                ),
                (
                    btree_map(sequence(), outbox_row(key.clone()), 0..3),
                    btree_map(sequence(), dead_letter(key.clone()), 0..3),
                    btree_map(
                        sequence(),
                        quarantined(key.clone()).prop_map(Arc::new),
                        0..3,
                    ),
                    parking(),
                ),
                of(paused_turn(key)),
                vec_deque(timeline_entry(), 0..3),
            )
        })
        .prop_map(
            |(key, head, profile, seen, instances, remembered, effects, paused_turn, timeline)| {
                let (birth, last_sequence, stamp, next_instance) = head;
                let (traits, lifecycle) = profile;
                let (history, dedupe) = seen;
                let (journeys, watched_goals) = remembered;
                let (outbox, dead_letters, quarantined, parked) = effects;
                CustomerState {
                    key,
                    birth,
                    last_sequence,
                    stamp,
                    traits: Arc::new(traits),
                    lifecycle,
                    history,
                    dedupe,
                    instances: instances.into_iter().collect(),
                    next_instance,
                    journeys: journeys.into_iter().collect(),
                    watched_goals,
                    outbox,
                    paused_turn,
                    timeline: timeline.into_iter().collect(),
                    dead_letters,
                    quarantined,
                    parked,
                }
            },
        )
        .boxed()
}

fn held() -> impl Strategy<Value = Held> {
    (any::<u64>(), any::<u64>()).prop_map(|(n, size_bytes)| Held { n, size_bytes })
}

/// Any control state.
pub(crate) fn control() -> BoxedStrategy<Control> {
    (
        session(),
        batch_number(),
        timestamp(),
        revision(),
        any::<[u8; 32]>(),
        (any::<u64>(), held(), held(), any::<u64>()),
    )
        .prop_map(
            |(session, next_batch, stamp, catalog_revision, catalog_digest, sums)| Control {
                session,
                next_batch,
                stamp,
                catalog_revision,
                catalog_digest,
                n_customers: sums.0,
                dead_letters: sums.1,
                quarantined: sums.2,
                n_parked: sums.3,
            },
        )
        .boxed()
}

pub(crate) fn durations() -> BoxedStrategy<Durations> {
    let span = prop_oneof![0_i64..40, 0_i64..100_000_000, any::<i64>()];
    vec(span, 0..8)
        .prop_map(|spans| {
            let mut durations = Durations::default();
            for span in spans {
                durations.record(TimeSpan::from_ms(span));
            }
            durations
        })
        .boxed()
}

/// Any counts, small enough to be added up.
pub(crate) fn counts() -> BoxedStrategy<JourneyCounts> {
    let n = || 0_u64..1_000_000;
    let step = (n(), n()).prop_map(|(entered, left)| StepCounts { entered, left });
    (
        (n(), n(), n(), n(), n(), n()),
        btree_map(text(), n(), 0..3),
        btree_map(id::<StepId>(), step, 0..3),
        btree_map(id::<ContentId>(), n(), 0..3),
        (
            btree_map(text(), n(), 0..3),
            btree_map(text(), n(), 0..3),
            btree_map(text(), n(), 0..3),
        ),
        btree_map(id::<EventName>(), n(), 0..3),
        (durations(), n()),
    )
        .prop_map(
            |(
                numbers,
                exited,
                steps,
                messages,
                others,
                emitted,
                (completed_durations, tasks_overdue),
            )| {
                let (entered, n_parked, n_parked_ended, completed, held_out, timers_fired) =
                    numbers;
                let (refused, entries_refused, goals) = others;
                JourneyCounts {
                    entered,
                    n_parked,
                    n_parked_ended,
                    completed,
                    held_out,
                    exited,
                    steps,
                    messages,
                    refused,
                    entries_refused,
                    emitted,
                    goals,
                    timers_fired,
                    completed_durations,
                    tasks_overdue,
                }
            },
        )
        .boxed()
}
