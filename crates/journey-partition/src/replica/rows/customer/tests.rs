//! A customer in every form, through every change of form, and a crash at every single write of it.

use std::collections::{BTreeMap, BTreeSet};

use journey_customer::{
    ArmedTimer, CustomerState, Entrance, EventBody, IngestMode, InstanceEntered, JournalEvent,
    Rest, TimerKind,
};
use journey_storage::{CrashPoint, Engine as _, MemoryEngine};
use journey_types::{
    BirthIndex, ClusterKey, CustomerEvent, CustomerId, DefinitionVersion, EventId, EventName,
    Fingerprint, InstanceNumber, JourneyId, PartitionId, SourceName, StepId, Timestamp, Value,
    WorkspaceId,
};

use super::*;
use crate::replica::ReplicaOptions;
use crate::replica::rows::ids::segment_key;
use crate::replica::rows::pack;

/// So short that a head which names ten parts does not fit.
const SHORT_ROW_SIZE_BYTES: usize = 300;

fn place() -> Place {
    let customer = CustomerKey {
        workspace: WorkspaceId::new("shop").unwrap(),
        customer: CustomerId::new("c-1").unwrap(),
    };
    Place::of(&ClusterKey::new([7; 16]), &customer)
}

fn rows(engine: &MemoryEngine, row_size_bytes_max: usize) -> Rows {
    Rows::new(&ReplicaOptions {
        partition: PartitionId::new(1),
        cluster_key: ClusterKey::new([7; 16]),
        engine: Arc::new(engine.clone()),
        tree: engine.tree("p1").unwrap(),
        row_size_bytes_max,
        customers_size_bytes_max: 0,
    })
}

fn apply(state: &mut CustomerState, body: EventBody) {
    let event = JournalEvent {
        sequence: state.last_sequence.next(),
        stamp: Timestamp::from_unix_ms(1_000_000),
        body,
    };
    journey_customer::apply(state, &event);
}

fn event() -> Arc<CustomerEvent> {
    Arc::new(CustomerEvent {
        customer: place().customer,
        source: SourceName::new("default").unwrap(),
        id: EventId::new("e").unwrap(),
        name: EventName::new("seen").unwrap(),
        occurred_at: Timestamp::from_unix_ms(5),
        channel: None,
        device: None,
        properties: BTreeMap::new(),
    })
}

fn trait_of(state: &mut CustomerState, size_bytes: usize) {
    let value = (size_bytes > 0).then(|| Value::Text("x".repeat(size_bytes)));
    let name = "notes".to_owned();
    apply(state, EventBody::TraitChanged { name, value });
}

fn remember_ids(state: &mut CustomerState, n_ids: u64) {
    for number in 0..n_ids {
        let mut bytes = [1; 16];
        bytes[..8].copy_from_slice(&(state.last_sequence.get() + number).to_be_bytes());
        let accepted = EventBody::EventAccepted {
            fingerprint: Some(Fingerprint::from_bytes(bytes)),
            event: event(),
            raised_by: None,
            mode: IngestMode::Live,
            feeds: Vec::new(),
        };
        apply(state, accepted);
    }
}

fn rest(state: &mut CustomerState, instance: u64, due_ms: Option<i64>) {
    let timer = due_ms.map(|due_ms| ArmedTimer {
        due_at: Timestamp::from_unix_ms(due_ms),
        kind: TimerKind::Delay,
    });
    let rest = Rest {
        timers: timer.into_iter().collect(),
        ..Rest::default()
    };
    let instance = InstanceNumber::new(instance);
    apply(state, EventBody::Rested { instance, rest });
}

fn enter(state: &mut CustomerState) {
    let entered = InstanceEntered {
        instance: state.next_instance,
        journey: JourneyId::new("welcome").unwrap(),
        version: DefinitionVersion::new(1),
        key: None,
        step: StepId::new("wait").unwrap(),
        entry: Entrance::Event(event()),
        goals: BTreeMap::new(),
        remembered_until: None,
    };
    apply(state, EventBody::InstanceEntered(Box::new(entered)));
}

/// States one after the other, so that every form follows every other one, at one of the two sizes of a row at least.
fn life() -> Vec<Arc<CustomerState>> {
    let mut state = CustomerState::new(place().customer);
    let birth = BirthIndex::new(9);
    apply(&mut state, EventBody::CustomerBorn { birth });
    let mut states = vec![Arc::new(state.clone())];
    let mut then = |change: &dyn Fn(&mut CustomerState)| {
        change(&mut state);
        states.push(Arc::new(state.clone()));
    };
    then(&|state| trait_of(state, 9_000));
    then(&|state| trait_of(state, 0));
    then(&|state| enter(state));
    then(&|state| rest(state, 1, Some(2_000_000)));
    then(&|state| remember_ids(state, 40));
    then(&|state| rest(state, 1, Some(3_000_000)));
    then(&|state| trait_of(state, 5_000));
    then(&|state| remember_ids(state, 150));
    then(&|state| rest(state, 1, None));
    then(&|state| remember_ids(state, 2_500));
    then(&|state| trait_of(state, 0));
    then(&|state| rest(state, 1, Some(4_000_000)));
    states
}

/// A customer to be written, by someone who knows of its rows what reading them tells.
fn taken(rows: &Rows, state: &Arc<CustomerState>, mark: u64) -> Taken {
    let read = rows.read_customer(&place()).unwrap();
    Taken {
        place: place(),
        body: Body::Live(Arc::clone(state)),
        through: Lsn::new(mark),
        first: Lsn::new(mark),
        written: read.map(|read| read.written),
        timers_far_from: Timestamp::MAX,
    }
}

fn write(rows: &Rows, state: &Arc<CustomerState>, mark: u64, tidying: Tidying) {
    let mut puts = Vec::new();
    let written = rows.write_customer(&taken(rows, state, mark), tidying, &mut puts);
    let (written, size_bytes) = written.unwrap();
    assert!(size_bytes > 0);
    rows.put(&puts).unwrap();
    let read = rows.read_customer(&place()).unwrap().unwrap();
    assert_eq!(read.written, written, "memory knows what rows hold");
}

fn form(rows: &Rows) -> Form {
    rows.old_rows(&place()).unwrap().unwrap().form
}

/// Every row there is, and every row there should be for the head that is there.
fn found_and_expected(
    rows: &Rows,
    state: &CustomerState,
) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
    // Of ids that a head does not know of yet, rows may be there before it.
    let next = segment_key(&place(), state.dedupe.next_segment);
    let is_ahead = |key: &Vec<u8>| Table::Dedupe.read(key).is_ok() && *key >= next;
    let found = Scan::prefix(rows.tree(), b"").map(|row| row.unwrap().0);
    let found = found.filter(|key| !is_ahead(key));
    let mut expected: BTreeSet<_> = rows.part_rows(&place()).unwrap().into_iter().collect();
    expected.insert(place().head_key());
    let segments = state.dedupe.segments();
    expected.extend(segments.map(|number| segment_key(&place(), number)));
    let customer = &state.key;
    expected.extend(
        state
            .next_wake_at()
            .map(|due_at| timer_key(due_at, customer)),
    );
    (found.collect(), expected)
}

#[test]
fn every_form_reads_back_and_leaves_nothing_of_the_one_before() {
    for row_size_bytes_max in [SHORT_ROW_SIZE_BYTES, 4_096] {
        let engine = MemoryEngine::new(row_size_bytes_max);
        let rows = rows(&engine, row_size_bytes_max);
        let mut forms = Vec::new();
        for (mark, state) in (1..).zip(life()) {
            write(&rows, &state, mark, Tidying::NotNeeded);
            let read = rows.read_customer(&place()).unwrap().unwrap();
            assert_eq!(
                (read.state.as_ref(), read.written.index.mark.get()),
                (state.as_ref(), mark)
            );
            let (found, expected) = found_and_expected(&rows, &state);
            assert_eq!(
                found, expected,
                "state {mark} in rows of {row_size_bytes_max}"
            );
            forms.push(form(&rows));
        }
        let changes: Vec<_> = forms.windows(2).map(|pair| (pair[0], pair[1])).collect();
        assert!(changes.contains(&(Form::Inline, Form::Parts)), "{forms:?}");
        if row_size_bytes_max == SHORT_ROW_SIZE_BYTES {
            assert!(
                changes.contains(&(Form::Parts, Form::LongHead)),
                "{forms:?}"
            );
            assert!(
                changes.contains(&(Form::LongHead, Form::LongHead)),
                "{forms:?}"
            );
        } else {
            assert!(changes.contains(&(Form::Parts, Form::Inline)), "{forms:?}");
        }
    }
}

#[test]
fn crash_at_any_write_leaves_one_whole_customer_and_the_next_write_mends_the_rest() {
    let life = life();
    for row_size_bytes_max in [SHORT_ROW_SIZE_BYTES, 4_096] {
        for (old_idx, pair) in life.windows(2).enumerate() {
            let mark = old_idx as u64 + 1;
            let engine = MemoryEngine::new(row_size_bytes_max);
            let before = rows(&engine, row_size_bytes_max);
            write(&before, &pair[0], mark, Tidying::NotNeeded);
            engine.flush_durable().unwrap();
            write(&before, &pair[1], mark + 1, Tidying::NotNeeded);
            let next = life.get(old_idx + 2).unwrap_or(&life[0]);
            for n_writes in 0..=engine.n_unflushed() {
                let survivor = engine.survivor(CrashPoint::Writes(n_writes));
                let rows = rows(&survivor, row_size_bytes_max);
                let read = rows.read_customer(&place()).unwrap().unwrap();
                let read_mark = read.written.index.mark.get();
                let expected = if read_mark == mark {
                    &pair[0]
                } else {
                    &pair[1]
                };
                assert_eq!(read.state.as_ref(), expected.as_ref());
                // Replayed only up to what the head reflects, then on.
                let mut puts = Vec::new();
                let again = taken(&rows, expected, read_mark);
                rows.write_customer(&again, Tidying::Needed, &mut puts)
                    .unwrap();
                rows.put(&puts).unwrap();
                let (found, expected) = found_and_expected(&rows, expected);
                assert_eq!(found, expected, "{n_writes} writes of state {}", mark + 1);
                write(&rows, next, mark + 2, Tidying::Needed);
                let (found, expected) = found_and_expected(&rows, next);
                assert_eq!(found, expected, "{n_writes} writes of state {}", mark + 1);
            }
        }
    }
}

#[test]
fn timer_row_far_ahead_stays_when_its_timer_moves_further_and_is_filed_anew_without_a_gap() {
    let engine = MemoryEngine::new(4_096);
    let before = rows(&engine, 4_096);
    let life = life();
    // Due at 2,000,000 and then at 3,000,000.
    write(&before, &life[4], 1, Tidying::NotNeeded);
    let mut puts = Vec::new();
    let further = Taken {
        timers_far_from: Timestamp::from_unix_ms(1_999_999),
        ..taken(&before, &life[6], 2)
    };
    let written = before.write_customer(&further, Tidying::NotNeeded, &mut puts);
    assert!(written.unwrap().0.index.is_filed_early());
    let is_timer = |key: &[u8]| Table::Timer.read(key).is_ok();
    assert!(!puts.iter().any(|put| is_timer(&put.key)), "{puts:?}");
    before.put(&puts).unwrap();
    engine.flush_durable().unwrap();
    let filed = before.file_timer(&place()).unwrap().unwrap();
    assert_eq!(filed.filed_at, life[6].next_wake_at());
    let key = |ms| timer_key(Timestamp::from_unix_ms(ms), &place().customer);
    for n_writes in 0..=engine.n_unflushed() {
        let survivor = engine.survivor(CrashPoint::Writes(n_writes));
        let rows = rows(&survivor, 4_096);
        let index = rows.head_index(&place()).unwrap().unwrap();
        let filed_at = index.filed_at.unwrap();
        let row = timer_key(filed_at, &place().customer);
        assert!(rows.tree().get(&row).unwrap().is_some(), "{n_writes}");
        assert_eq!(index.due_at, life[6].next_wake_at());
        // What is left over is told from the other by the head, and removed.
        let place_of = |_: &CustomerKey| place();
        let both = [key(2_000_000), key(3_000_000)];
        let removals = rows.stale_removals(&both, place_of).unwrap();
        rows.put(&removals).unwrap();
        let timers = Scan::prefix(rows.tree(), &Table::Timer.key().finish());
        assert_eq!(timers.map(|row| row.unwrap().0).collect::<Vec<_>>(), [row]);
    }
    // Nearer than that, the row goes with its timer.
    let near = Taken {
        timers_far_from: Timestamp::from_unix_ms(3_000_000),
        ..taken(&before, &life[12], 3)
    };
    let written = before.write_customer(&near, Tidying::NotNeeded, &mut puts);
    assert!(!written.unwrap().0.index.is_filed_early());
}

#[test]
fn packed_customer_is_written_as_the_row_that_it_is_packed_into() {
    let engine = MemoryEngine::new(4_096);
    let rows = rows(&engine, 4_096);
    let mut n_packed = 0;
    for (mark, state) in (1..).zip(life()) {
        let live = taken(&rows, &state, mark);
        let packed = pack(&state, live.through, live.written, 4_096);
        let body = packed.map(Body::Packed);
        n_packed += usize::from(body.is_some());
        let body = body.unwrap_or_else(|| live.body.clone());
        assert_eq!(*rows.unpack(&place(), &body).unwrap(), *state);
        let [puts, packed_puts] = [live.clone(), Taken { body, ..live }].map(|taken| {
            let mut puts = Vec::new();
            rows.write_customer(&taken, Tidying::NotNeeded, &mut puts)
                .unwrap();
            puts
        });
        assert_eq!(packed_puts, puts, "state {mark}");
        rows.put(&puts).unwrap();
    }
    assert!(n_packed > 3, "{n_packed} of them fit one row");
}

#[test]
fn unchanged_parts_are_not_written_again() {
    let life = life();
    let engine = MemoryEngine::new(4_096);
    let rows = rows(&engine, 4_096);
    // Trait and 190 ids in rows of their own; then only the instance changes.
    write(&rows, &life[8], 1, Tidying::NotNeeded);
    let segments = life[8].dedupe.unwritten.iter();
    segments.for_each(|segment| segment.mark_written());
    let mut puts = Vec::new();
    let changed = taken(&rows, &life[9], 2);
    rows.write_customer(&changed, Tidying::NotNeeded, &mut puts)
        .unwrap();
    let size_bytes: usize = puts
        .iter()
        .filter_map(|put| put.value.as_ref())
        .map(Vec::len)
        .sum();
    assert!(
        size_bytes < 1_500,
        "{size_bytes} bytes for a change of some hundred"
    );
}

#[test]
fn customer_under_the_key_of_another_is_refused() {
    let engine = MemoryEngine::new(4_096);
    let rows = rows(&engine, 4_096);
    let stranger = CustomerState::new(CustomerKey {
        customer: CustomerId::new("c-2").unwrap(),
        ..place().customer
    });
    let stranger = taken(&rows, &Arc::new(stranger), 1);
    let mut puts = Vec::new();
    rows.write_customer(&stranger, Tidying::NotNeeded, &mut puts)
        .unwrap();
    rows.put(&puts).unwrap();
    let error = rows.read_customer(&place()).unwrap_err();
    assert!(
        matches!(error, PartitionError::UnreadableRow { .. }),
        "{error}"
    );
}
