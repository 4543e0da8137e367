//! A customer with something in every part, control state, and counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use journey_customer::{
    Aggregate, Attempt, CustomerState, DeadLetter, Dedupe, DedupeChunk, EffectBody, EffectStatus,
    Entrance, IdSegment, Instance, JourneyMemory, MessageBody, OutboxRow, Parking, PausedTurn,
    RaisedEvent, WatchedGoal, WorkBody, WorkKind,
};
use journey_types::{
    AggregateId, BatchNumber, BirthIndex, CatalogRevision, ContentVersion, DefinitionVersion,
    Fingerprint, InstanceNumber, Lsn, Sequence, SessionId, TimeSpan, Timestamp,
};

use super::facts::{enrollment, fallback, rest};
use super::{at, event, every_value, id, instance, key};
use crate::{
    Control, Held, JourneyCounts, PartId, StepCounts, decode_counts, decode_customer, decode_floor,
    decode_id_segment, encode_counts, encode_customer, encode_floor, encode_id_segment, state_hash,
};

fn ids(first: u8, n: u8) -> Vec<(Fingerprint, Timestamp)> {
    (first..first + n)
        .map(|byte| {
            (
                Fingerprint::from_bytes([byte; 16]),
                at(1_000 + i64::from(byte)),
            )
        })
        .collect()
}

fn running() -> Instance {
    Instance {
        number: InstanceNumber::new(4),
        journey: id("cart"),
        version: DefinitionVersion::new(2),
        key: Some("k".to_owned()),
        entry: Entrance::Event(event()),
        entered_at: at(50),
        step: id("wait"),
        step_entered_at: at(55),
        rest: rest(),
        parked: Some("no such content".to_owned()),
        vars: every_value(),
        open_goals: BTreeMap::from([("bought".to_owned(), Some(at(70)))]),
        foreseen: vec![(id("wait"), 1)],
    }
}

fn message() -> EffectBody {
    EffectBody::Message(MessageBody {
        content: id("cart/reminder"),
        content_version: ContentVersion::new(3),
        locale: Some("en-GB".to_owned()),
        rendered: BTreeMap::from([("subject".to_owned(), "Your cart".to_owned())]),
        why: "added a-7".to_owned(),
        failed_channels: vec![id("push")],
        fallback: Some(fallback()),
    })
}

fn work(kind: WorkKind) -> EffectBody {
    EffectBody::Work(WorkBody {
        kind,
        input: every_value(),
        due_at: Some(at(85)),
    })
}

fn effect(
    number: u64,
    (destination, body): (&str, EffectBody),
    status: EffectStatus,
) -> (Sequence, Arc<OutboxRow>) {
    let effect = Sequence::new(number);
    let row = OutboxRow {
        effect,
        birth: BirthIndex::new(13),
        created_at: at(60),
        instance: InstanceNumber::new(4),
        journey: id("cart"),
        version: DefinitionVersion::new(2),
        step: id("remind"),
        destination: destination.parse().unwrap(),
        purpose: "service".to_owned(),
        send_by: Some(at(90)),
        body,
        attempt: 2,
        status,
        attempts: vec![Attempt {
            number: 2,
            at: at(61),
            worker: "w-1".to_owned(),
            failure: Some("busy".to_owned()),
        }],
        attempts_before_replay: 1,
        attempts_returned: 1,
        returned_in_a_row: 1,
    };
    (effect, Arc::new(row))
}

fn memory() -> JourneyMemory {
    JourneyMemory {
        newest: Some((InstanceNumber::new(4), "parked")),
        outcome: "exited:left".to_owned(),
        entries: BTreeMap::from([("k".to_owned(), (at(50), at(80)))]),
        queue: BTreeMap::from([(
            "k".to_owned(),
            VecDeque::from([Entrance::Event(event()), Entrance::Enrolled(enrollment())]),
        )]),
    }
}

fn remembered_ids() -> Dedupe {
    Dedupe {
        open: ids(9, 2),
        chunks: VecDeque::from([Arc::new(DedupeChunk {
            number: 1,
            newest: at(1_700_000_000_400),
            prefixes: vec![0x0505, 0xFFFE],
            digest: 0x0102_0304_0506_0708,
        })]),
        next_segment: 9,
        unwritten: Arc::new(vec![Arc::new(IdSegment::new(8, ids(5, 3)))]),
    }
}

fn customer() -> CustomerState {
    let mut state = CustomerState::new(key());
    state.birth = BirthIndex::new(13);
    state.last_sequence = Sequence::new(40);
    state.stamp = at(1_700_000_000_500);
    state.next_instance = InstanceNumber::new(5);
    state.traits = Arc::new(every_value());
    state.lifecycle = Some("won".to_owned());
    let aggregate = Aggregate {
        n_events: 2,
        first: Some(at(1)),
        last: Some(at(2)),
        sum_nanos: 59_980_000_000,
        recent: VecDeque::from([(at(1), 29_990_000_000), (at(2), 29_990_000_000)]),
    };
    state
        .history
        .insert(AggregateId::new(0x0102_0304_0506_0708), aggregate);
    state.dedupe = remembered_ids();
    state
        .instances
        .insert(InstanceNumber::new(4), Arc::new(running()));
    state.journeys.insert(id("cart"), memory());
    state.watched_goals.push(WatchedGoal {
        instance: InstanceNumber::new(3),
        journey: id("cart"),
        version: DefinitionVersion::new(2),
        key: Some("k".to_owned()),
        entry: Entrance::Event(event()),
        goal: "bought".to_owned(),
        until: at(75),
    });
    let retrying = EffectStatus::Retrying {
        retry_at: at(95),
        reason: "busy".to_owned(),
    };
    state.outbox = BTreeMap::from([
        effect(6, ("email", message()), EffectStatus::Open),
        effect(
            7,
            ("webhook:crm", work(WorkKind::Call)),
            EffectStatus::Claimed { until: at(95) },
        ),
        effect(8, ("queue:care", work(WorkKind::Task)), retrying),
    ]);
    state.paused_turn = Some(PausedTurn {
        stamp: at(1_700_000_000_500),
        round: 1,
        events: vec![RaisedEvent {
            depth: 2,
            event: event(),
            raised_by: instance(),
        }],
        instances: vec![(2, InstanceNumber::new(4))],
    });
    let letter = DeadLetter {
        row: Arc::unwrap_or_clone(effect(5, ("email", message()), EffectStatus::Open).1),
        since: at(65),
        reason: "busy".to_owned(),
        size_bytes: 480,
    };
    state.dead_letters = BTreeMap::from([(Sequence::new(5), Arc::new(letter))]);
    quarantine(&mut state);
    let of = (Sequence::new(6), Some(InstanceNumber::new(4)));
    state.timeline.push(at(60), of, "sent cart/reminder");
    state
}

fn quarantine(state: &mut CustomerState) {
    let command = super::facts::quarantined();
    state.quarantined = BTreeMap::from([(Sequence::new(39), Arc::new(command))]);
    let reason = "index out of bounds".to_owned();
    let since = at(64);
    state.parked = Some(Arc::new(Parking { since, reason }));
}

fn control() -> Control {
    Control {
        session: SessionId::new(11),
        next_batch: BatchNumber::new(3),
        stamp: at(1_700_000_000_500),
        catalog_revision: CatalogRevision::new(3),
        catalog_digest: [0xab; 32],
        n_customers: 5,
        dead_letters: Held {
            n: 1,
            size_bytes: 480,
        },
        quarantined: Held {
            n: 2,
            size_bytes: 640,
        },
        n_parked: 1,
    }
}

fn counts() -> JourneyCounts {
    let mut counts = JourneyCounts {
        entered: 9,
        n_parked: 2,
        n_parked_ended: 1,
        completed: 3,
        held_out: 1,
        exited: BTreeMap::from([("left".to_owned(), 1)]),
        steps: BTreeMap::from([(
            id("wait"),
            StepCounts {
                entered: 8,
                left: 5,
            },
        )]),
        messages: BTreeMap::from([(id("cart/reminder"), 4)]),
        refused: BTreeMap::from([("unreachable".to_owned(), 1)]),
        entries_refused: BTreeMap::from([("min_gap".to_owned(), 2)]),
        emitted: BTreeMap::from([(id("lapsed_30"), 3)]),
        goals: BTreeMap::from([("bought".to_owned(), 2)]),
        timers_fired: 6,
        tasks_overdue: 7,
        ..JourneyCounts::default()
    };
    counts.completed_durations.record(TimeSpan::from_hours(1));
    counts
}

/// The rows by name.
pub(super) fn rows() -> Vec<(String, Bytes)> {
    let state = customer();
    let written = encode_customer(&state, Lsn::new(21), None);
    let mut rows = vec![("head".to_owned(), written.head)];
    let parts = written.parts.into_iter();
    rows.extend(parts.map(|(part, bytes)| (part.to_string().replace(' ', "_"), bytes)));
    let segment = &state.dedupe.unwritten[0];
    rows.push(("segment".to_owned(), encode_id_segment(&segment.ids)));
    let hash = state_hash(&state).to_be_bytes();
    rows.push(("state_hash".to_owned(), Bytes::copy_from_slice(&hash)));
    let consensus = Bytes::from_static(b"opaque");
    rows.push((
        "floor".to_owned(),
        encode_floor(&control(), Some(&consensus)),
    ));
    rows.push(("counts".to_owned(), encode_counts(&counts())));
    rows
}

/// That stored rows give what they were made of.
pub(super) fn check(stored: &BTreeMap<&str, Vec<u8>>) {
    let row = |part: PartId, mark: Lsn| {
        assert_eq!(mark, Lsn::new(21));
        let name = part.to_string().replace(' ', "_");
        stored.get(name.as_str()).cloned().map(Bytes::from)
    };
    let (state, _) = decode_customer(&stored["head"], row).unwrap();
    assert_eq!(state, customer());
    let segment = decode_id_segment(&stored["segment"]).unwrap();
    assert_eq!(segment, customer().dedupe.unwritten[0].ids);
    assert_eq!(stored["state_hash"], state_hash(&state).to_be_bytes());
    let (read, consensus) = decode_floor(&stored["floor"]).unwrap();
    assert_eq!(
        (read, consensus.as_deref()),
        (control(), Some(b"opaque".as_slice()))
    );
    assert_eq!(decode_counts(&stored["counts"]).unwrap(), counts());
}
