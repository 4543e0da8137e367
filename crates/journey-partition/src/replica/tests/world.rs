//! A journal with one replica that crashes and writes behind, and one that never does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};
use journey_customer::CustomerState;
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::tables::{outbox_key, timer_key};
use journey_storage::{CrashPoint, Engine, Fault, MemoryEngine, Scan, Table};
use journey_types::{
    BatchNumber, CatalogRevision, ClusterKey, CustomerId, CustomerKey, Lsn, PartitionId, SessionId,
    TimeSpan, Timestamp, WorkspaceId,
};
use parking_lot::Mutex;

use super::super::place::Place;
use super::super::rows::{HeadIndex, segment_key};
use super::super::{
    ApplyVerdict, CheckpointProgress, Checkpointer, Replica, ReplicaOptions, SharedReplica,
    TimerPage,
};
use super::facts::{Draw, draw_turn};
use super::ids::{AcceptedIds, draw_busy_turn};
use super::interrupted::{InterruptedEngine, Interrupter};
use crate::decided::DecidedEntry;
use crate::reader::CommittedReader as _;

pub(super) const CLUSTER_KEY: ClusterKey = ClusterKey::new(*b"a cluster's key!");
pub(super) const N_CUSTOMERS: u64 = 12;

pub(super) fn open(engine: Arc<dyn Engine>, row_size_bytes_max: usize) -> SharedReplica {
    let options = ReplicaOptions {
        partition: PartitionId::new(3),
        cluster_key: CLUSTER_KEY,
        tree: engine.tree("p3").unwrap(),
        engine,
        row_size_bytes_max,
        // So small a budget that customers are read from rows again and again.
        customers_size_bytes_max: 8_192,
    };
    Arc::new(Mutex::new(Replica::open(options).unwrap()))
}

pub(super) fn customer(number: u64) -> CustomerKey {
    let workspace = ["shop", "default"][usize::from(number.is_multiple_of(3))];
    CustomerKey {
        workspace: WorkspaceId::new(workspace).unwrap(),
        customer: CustomerId::new(format!("c-{number}")).unwrap(),
    }
}

/// What a test does to the world.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// A valid batch of turns.
    Turns {
        seed: u64,
    },
    /// Many events of one customer, maybe days later.
    BusyTurn {
        seed: u64,
    },
    /// A batch of another session or number.
    VoidBatch {
        seed: u64,
    },
    OpenSession,
    AdoptCatalog {
        revision: u64,
    },
    /// An entry of consensus' own.
    Blank,
    /// Steps of the checkpointer.
    Checkpoint {
        n_steps: u8,
    },
    CheckpointToFloor,
    /// A step of the checkpointer, in the middle of which a valid batch is applied.
    CheckpointUnderLoad {
        seed: u64,
    },
    /// The disk fails under the checkpointer, then a power cut.
    Fault {
        after: u8,
        seed: u64,
    },
    /// A power cut that keeps a prefix of what was not flushed, then the journal from the floor on.
    Crash {
        seed: u64,
    },
    /// A leader reads the next timers, in the middle of a step of the checkpointer or not.
    PageTimers {
        hours: u16,
        n_max: u8,
        is_during_checkpoint: bool,
    },
    /// Reads that load customers.
    Read {
        seed: u64,
    },
}

pub(super) struct World<E> {
    pub(super) engine: E,
    row_size_bytes_max: usize,
    interrupter: Interrupter,
    pub(super) replica: SharedReplica,
    /// Never writes, never restarts.
    pub(super) reference: SharedReplica,
    pub(super) journal: Vec<Option<JournalEntry>>,
    /// What a leader knows: each customer after the whole journal.
    heads: BTreeMap<CustomerKey, CustomerState>,
    session: SessionId,
    next_batch: BatchNumber,
    stamp: Timestamp,
    ids: AcceptedIds,
    /// What a leader holds of the timers.
    timers: Arc<Mutex<HeldTimers>>,
}

/// Timers as a leader holds them: all of those up to where it has read.
#[derive(Debug, Default)]
struct HeldTimers {
    cursor: Option<(Timestamp, CustomerKey)>,
    held: BTreeMap<CustomerKey, Timestamp>,
}

impl HeldTimers {
    fn through(&self) -> Timestamp {
        let cursor = self.cursor.as_ref();
        cursor.map_or(Timestamp::EPOCH, |(through, _)| *through)
    }

    /// As a leader arms what a turn leaves.
    fn arm(&mut self, batch: &Batch, heads: &BTreeMap<CustomerKey, CustomerState>) {
        for record in &batch.records {
            if let Record::Turn(turn) = record {
                self.held.remove(&turn.customer);
                let head = heads.get(&turn.customer);
                if let Some(due_at) = head.and_then(CustomerState::next_wake_at)
                    && Some(&(due_at, turn.customer.clone())) <= self.cursor.as_ref()
                {
                    self.held.insert(turn.customer.clone(), due_at);
                }
            }
        }
    }
}

impl World<MemoryEngine> {
    pub(super) fn in_memory(row_size_bytes_max: usize) -> Self {
        let engine = MemoryEngine::new(row_size_bytes_max);
        Self::over(engine, row_size_bytes_max)
    }

    pub(super) fn crash(&mut self, point: CrashPoint) {
        self.engine = self.engine.crash(point);
        self.reopen();
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Crash { seed } => self.crash(CrashPoint::Seeded(seed)),
            Act::Fault { after, seed } => {
                self.fail_checkpoint(match after {
                    0 => Fault::NextFlush,
                    after => Fault::NextPut {
                        after: usize::from(after) - 1,
                    },
                });
                self.crash(CrashPoint::Seeded(seed));
            }
            Act::Turns { .. }
            | Act::BusyTurn { .. }
            | Act::VoidBatch { .. }
            | Act::OpenSession
            | Act::AdoptCatalog { .. }
            | Act::Blank
            | Act::Checkpoint { .. }
            | Act::CheckpointToFloor
            | Act::CheckpointUnderLoad { .. }
            | Act::PageTimers { .. }
            | Act::Read { .. } => self.act_without_crash(act),
        }
    }

    fn fail_checkpoint(&self, fault: Fault) {
        self.engine.inject(fault);
        if Checkpointer.run_to_floor(&self.replica).is_ok() {
            return;
        }
        let mut replica = self.replica.lock();
        assert!(replica.stopped().is_some());
        assert!(replica.customer(&customer(0)).is_err());
        assert!(replica.timers_due(None, Timestamp::MAX, 1).is_err());
        let next = replica.applied().next();
        assert!(replica.apply(next, None, &consensus(next)).is_err());
        drop(replica);
        assert!(Checkpointer.step(&self.replica).is_err());
    }
}

impl<E: Engine + Clone> World<E> {
    pub(super) fn over(engine: E, row_size_bytes_max: usize) -> Self {
        let reference = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
        let interrupter = Interrupter::default();
        let interrupted = InterruptedEngine {
            engine: engine.clone(),
            interrupter: interrupter.clone(),
        };
        let mut world = Self {
            replica: open(Arc::new(interrupted), row_size_bytes_max),
            engine,
            row_size_bytes_max,
            interrupter,
            reference: open(Arc::new(reference), STATE_VALUE_SIZE_BYTES_MAX),
            journal: Vec::new(),
            heads: BTreeMap::new(),
            session: SessionId::default(),
            next_batch: BatchNumber::default(),
            stamp: Timestamp::from_unix_ms(1_760_000_000_000),
            ids: AcceptedIds::default(),
            timers: Arc::default(),
        };
        world.act_without_crash(Act::OpenSession);
        world
    }

    /// Opens the replica anew over what the engine holds, and replays the journal from the floor on.
    pub(super) fn reopen(&mut self) {
        let interrupted = InterruptedEngine {
            engine: self.engine.clone(),
            interrupter: self.interrupter.clone(),
        };
        self.replica = open(Arc::new(interrupted), self.row_size_bytes_max);
        *self.timers.lock() = HeldTimers::default();
        let mut replica = self.replica.lock();
        let floor = replica.floor();
        assert_eq!(replica.applied(), floor);
        let n_durable = usize::try_from(floor.get()).unwrap();
        if n_durable > 0 {
            assert_eq!(replica.consensus_blob(), Some(consensus(floor)));
        }
        for (entry_idx, entry) in self.journal.iter().enumerate().skip(n_durable) {
            let lsn = Lsn::new(entry_idx as u64 + 1);
            replica.apply(lsn, entry.as_ref(), &consensus(lsn)).unwrap();
        }
        assert!(replica.is_exact(), "rows are ahead of the whole journal");
    }

    /// Closes the engine and opens it again.
    pub(super) fn replaced_engine(self, open_engine: impl FnOnce() -> E) -> Self {
        let Self {
            engine,
            replica,
            interrupter,
            row_size_bytes_max,
            reference,
            journal,
            heads,
            session,
            next_batch,
            stamp,
            ids,
            timers,
        } = self;
        drop((engine, replica));
        let engine = open_engine();
        let mut world = Self {
            replica: open(Arc::new(engine.clone()), row_size_bytes_max),
            engine,
            row_size_bytes_max,
            interrupter,
            reference,
            journal,
            heads,
            session,
            next_batch,
            stamp,
            ids,
            timers,
        };
        world.reopen();
        world
    }

    pub(super) fn act_without_crash(&mut self, act: Act) {
        match act {
            Act::Turns { seed } => {
                let batch = self.draw_batch(&mut Draw::new(seed));
                let verdict = self.append(Some(JournalEntry::Batch(batch)));
                assert_eq!(verdict, ApplyVerdict::Applied);
            }
            Act::BusyTurn { seed } => {
                let batch = self.draw_busy_batch(&mut Draw::new(seed));
                let verdict = self.append(Some(JournalEntry::Batch(batch)));
                assert_eq!(verdict, ApplyVerdict::Applied);
            }
            Act::VoidBatch { seed } => self.void_batch(seed),
            Act::OpenSession => {
                let opener = self.journal.len() as u64;
                self.append(Some(JournalEntry::SessionOpened(SessionOpened { opener })));
                self.session = SessionId::new(self.journal.len() as u64);
                self.next_batch = BatchNumber::new(1);
            }
            Act::AdoptCatalog { revision } => {
                let record = Record::CatalogAdopted(CatalogAdopted {
                    stamp: self.stamp,
                    revision: CatalogRevision::new(revision),
                    digest: [u8::try_from(revision % 256).unwrap(); 32],
                });
                let batch = self.numbered(vec![record]);
                self.append(Some(JournalEntry::Batch(batch)));
            }
            Act::Blank => {
                self.append(None);
            }
            Act::Checkpoint { n_steps } => {
                for _ in 0..n_steps {
                    Checkpointer.step(&self.replica).unwrap();
                }
            }
            Act::CheckpointToFloor => {
                let floor = Checkpointer.run_to_floor(&self.replica).unwrap();
                assert_eq!(floor, self.replica.lock().applied());
                let progress = Checkpointer.step(&self.replica).unwrap();
                assert_eq!(progress, CheckpointProgress::Idle);
            }
            Act::Read { seed } => {
                let mut draw = Draw::new(seed);
                for _ in 0..4 {
                    let customer = customer(draw.below(N_CUSTOMERS + 2));
                    let found = self.replica.lock().customer(&customer).unwrap();
                    assert_eq!(found.as_deref(), self.heads.get(&customer));
                }
            }
            Act::CheckpointUnderLoad { seed } => self.checkpoint_under_load(seed),
            Act::PageTimers {
                hours,
                n_max,
                is_during_checkpoint,
            } => {
                let through = self.stamp.plus(TimeSpan::from_hours(i64::from(hours)));
                let n_max = usize::from(n_max).max(1);
                self.page_timers(through, n_max, is_during_checkpoint);
            }
            Act::Crash { .. } | Act::Fault { .. } => unreachable!("only memory engines lose power"),
        }
    }

    fn checkpoint_under_load(&mut self, seed: u64) {
        let batch = self.draw_batch(&mut Draw::new(seed));
        let entry = JournalEntry::Batch(batch);
        self.journal.push(Some(entry.clone()));
        let lsn = Lsn::new(self.journal.len() as u64);
        let applied = self
            .reference
            .lock()
            .apply(lsn, Some(&entry), &consensus(lsn));
        applied.unwrap();
        if let JournalEntry::Batch(batch) = &entry {
            self.timers.lock().arm(batch, &self.heads);
        }
        let replica = Arc::clone(&self.replica);
        self.interrupter.set_for(&self.replica, move || {
            let mut replica = replica.lock();
            replica.apply(lsn, Some(&entry), &consensus(lsn)).unwrap();
        });
        Checkpointer.step(&self.replica).unwrap();
        // Where nothing was to be written.
        self.interrupter.run();
    }

    /// Reads on from where the last reading ended, page by page.
    fn page_timers(&self, through: Timestamp, n_max: usize, is_during_checkpoint: bool) {
        let (replica, timers) = (Arc::clone(&self.replica), Arc::clone(&self.timers));
        let page = move || {
            let mut timers = timers.lock();
            let through = through.max(timers.through());
            loop {
                let page = replica.timers_after(timers.cursor.as_ref(), through, n_max);
                let TimerPage {
                    timers: found,
                    beyond,
                } = page.unwrap();
                let is_full = found.len() == n_max;
                let cursor = match (found.last(), beyond) {
                    (Some(last), _) if is_full => Some(last.clone()),
                    (_, beyond) => Some((through, beyond.unwrap_or_else(|| customer(0)))),
                };
                // It never goes back, and what is due just then and lies behind comes with the next page.
                timers.cursor = cursor.max(timers.cursor.take());
                let cursor = timers.cursor.clone();
                let found = found
                    .into_iter()
                    .filter(|timer| Some(timer) <= cursor.as_ref());
                timers
                    .held
                    .extend(found.map(|(due_at, customer)| (customer, due_at)));
                if !is_full {
                    break;
                }
            }
        };
        if is_during_checkpoint {
            self.interrupter.set_for(&self.replica, page);
            Checkpointer.step(&self.replica).unwrap();
            self.interrupter.run();
        } else {
            page();
        }
        self.check_timers();
    }

    /// A leader holds every timer up to where it has read.
    fn check_timers(&self) {
        let timers = self.timers.lock();
        let Some(cursor) = &timers.cursor else {
            return;
        };
        let heads = self.heads.values();
        let due = heads.filter_map(|head| Some((head.next_wake_at()?, head.key.clone())));
        let due = due.filter(|timer| timer <= cursor);
        let expected: BTreeMap<_, _> = due.map(|(due_at, customer)| (customer, due_at)).collect();
        assert_eq!(timers.held, expected);
    }

    fn numbered(&mut self, records: Vec<Record>) -> Batch {
        let batch = Batch {
            session: self.session,
            number: self.next_batch,
            records,
        };
        self.next_batch = self.next_batch.next();
        self.ids.note(&batch);
        batch
    }

    fn draw_batch(&mut self, draw: &mut Draw) -> Batch {
        self.stamp = self.stamp.plus(TimeSpan::from_ms(100_001));
        let n_turns = 1 + draw.below(4);
        let mut records = Vec::new();
        for _ in 0..n_turns {
            let key = customer(draw.below(N_CUSTOMERS));
            let head = self.heads.entry(key.clone());
            let head = head.or_insert_with(|| CustomerState::new(key.clone()));
            let events = draw_turn(head, self.stamp, draw);
            records.push(Record::Turn(Turn {
                customer: key,
                events,
            }));
        }
        self.numbered(records)
    }

    fn draw_busy_batch(&mut self, draw: &mut Draw) -> Batch {
        let days = if draw.below(4) == 0 {
            1 + draw.below(4)
        } else {
            0
        };
        let days = TimeSpan::from_days(i64::try_from(days).unwrap());
        self.stamp = self.stamp.plus(TimeSpan::from_ms(7)).plus(days);
        let key = customer(draw.below(3));
        let head = self.heads.entry(key.clone());
        let head = head.or_insert_with(|| CustomerState::new(key.clone()));
        if head.paused_turn.is_some() {
            return self.draw_batch(draw);
        }
        let events = draw_busy_turn(head, self.stamp, draw);
        let customer = key;
        self.numbered(vec![Record::Turn(Turn { customer, events })])
    }

    fn void_batch(&mut self, seed: u64) {
        let mut draw = Draw::new(seed);
        let key = customer(draw.below(N_CUSTOMERS));
        let mut scratch = CustomerState::new(key.clone());
        let events = draw_turn(&mut scratch, self.stamp, &mut draw);
        let turn = Record::Turn(Turn {
            customer: key,
            events,
        });
        let (session, number) = match draw.below(3) {
            0 => (self.session, self.next_batch.next()),
            1 => (self.session, BatchNumber::new(0)),
            _ => (SessionId::new(self.session.get() + 1), self.next_batch),
        };
        let before = self.replica.lock().state_hash().unwrap();
        let verdict = self.append(Some(JournalEntry::Batch(Batch {
            session,
            number,
            records: vec![turn],
        })));
        assert_eq!(verdict, ApplyVerdict::Superseded);
        assert_eq!(self.replica.lock().state_hash().unwrap(), before);
    }

    pub(super) fn append(&mut self, entry: Option<JournalEntry>) -> ApplyVerdict {
        self.journal.push(entry);
        let lsn = Lsn::new(self.journal.len() as u64);
        let entry = self.journal.last().unwrap().as_ref();
        let blob = consensus(lsn);
        let reference = self.reference.lock().apply(lsn, entry, &blob).unwrap();
        if let (Some(JournalEntry::Batch(batch)), ApplyVerdict::Applied) = (entry, reference) {
            self.timers.lock().arm(batch, &self.heads);
        }
        let verdict = match entry.and_then(|entry| self.decided(entry)) {
            Some(decided) => {
                let mut replica = self.replica.lock();
                replica.apply_decided(lsn, &decided, &blob).unwrap()
            }
            None => self.replica.lock().apply(lsn, entry, &blob).unwrap(),
        };
        assert_eq!(verdict, reference);
        verdict
    }

    /// The entry as the leader that decided it would have it, where no customer has two turns in it.
    fn decided(&self, entry: &JournalEntry) -> Option<DecidedEntry> {
        let JournalEntry::Batch(batch) = entry else {
            return None;
        };
        let turns = batch.records.iter().filter_map(|record| match record {
            Record::Turn(turn) => Some(turn),
            Record::CatalogAdopted(_) => None,
        });
        let turns: Vec<_> = turns.collect();
        let customers = turns.iter().map(|turn| &turn.customer);
        if customers.collect::<BTreeSet<_>>().len() < turns.len() {
            return None;
        }
        let states = turns.into_iter().map(|turn| self.decided_state(turn));
        Some(DecidedEntry::new(entry.clone(), states.collect()))
    }

    /// Decided on what the replica holds: event ids that lie in its rows are not in it.
    fn decided_state(&self, turn: &Turn) -> Arc<CustomerState> {
        let key = &turn.customer;
        let committed = self.replica.lock().customer(key).unwrap();
        // What is decided on something else is void.
        let first = turn.events.first().map(|event| event.sequence);
        let committed = committed.filter(|state| Some(state.last_sequence.next()) == first);
        let unborn = || Arc::new(CustomerState::new(key.clone()));
        let mut state = committed.unwrap_or_else(unborn).as_ref().clone();
        for event in &turn.events {
            journey_customer::apply(&mut state, event);
        }
        Arc::new(state)
    }

    /// Holds everything that can be read against the replica that never wrote or crashed.
    pub(super) fn check(&self) {
        let mut replica = self.replica.lock();
        let mut reference = self.reference.lock();
        assert_eq!(replica.applied(), reference.applied());
        assert_eq!(replica.control(), reference.control());
        assert_eq!(replica.counts(), reference.counts());
        let n_heads = self.heads.len() as u64;
        assert_eq!(
            (replica.n_customers(), n_heads),
            (reference.n_customers(), n_heads)
        );
        for number in 0..N_CUSTOMERS {
            let key = customer(number);
            let found = replica.customer(&key).unwrap();
            assert_eq!(found.as_deref(), self.heads.get(&key));
        }
        self.check_indexes(&replica);
        self.ids.check(&mut replica, self.stamp);
        assert_eq!(
            replica.state_hash().unwrap(),
            reference.state_hash().unwrap()
        );
    }

    /// Brings everything into rows and holds them against what there should be: nothing is missing or left over.
    pub(super) fn audit_rows(&mut self) {
        self.act_without_crash(Act::CheckpointToFloor);
        // Whoever reads all timers files them where they are due, and finds what a crash left over.
        self.page_timers(Timestamp::MAX, 3, false);
        self.act_without_crash(Act::Blank);
        self.act_without_crash(Act::CheckpointToFloor);
        let replica = self.replica.lock();
        let mut expected = BTreeSet::new();
        for head in self.heads.values() {
            expected.extend(
                head.next_wake_at()
                    .map(|due_at| timer_key(due_at, &head.key)),
            );
            expected.extend((!head.outbox.is_empty()).then(|| outbox_key(&head.key)));
            let place = Place::of(&CLUSTER_KEY, &head.key);
            expected.extend(replica.rows.part_rows(&place).unwrap());
            expected.insert(place.head_key());
            let segments = head.dedupe.segments();
            expected.extend(segments.map(|number| segment_key(&place, number)));
        }
        let tree = replica.rows.tree();
        let tables = [
            Table::Timer,
            Table::Outbox,
            Table::CustomerPart,
            Table::Customer,
            Table::Dedupe,
        ];
        let found: BTreeSet<Vec<u8>> = tables
            .into_iter()
            .flat_map(|table| Scan::prefix(tree, &table.key().finish()).collect::<Vec<_>>())
            .map(|row| row.unwrap().0)
            .collect();
        assert_eq!(found, expected);
        let n_bodies = Scan::prefix(tree, b"a~").count() + Scan::prefix(tree, b"m~").count();
        assert_eq!(n_bodies, 0, "counts and floor fit their rows here");
    }

    /// Customers whose timer rows lie before their timers.
    pub(super) fn n_filed_early(&self) -> usize {
        let replica = self.replica.lock();
        let indexes = self.heads.keys().filter_map(|customer| {
            let place = Place::of(&CLUSTER_KEY, customer);
            replica.rows.head_index(&place).unwrap()
        });
        indexes.filter(HeadIndex::is_filed_early).count()
    }

    fn check_indexes(&self, replica: &Replica) {
        let heads = self.heads.values();
        let mut due: Vec<_> = heads
            .clone()
            .filter_map(|head| Some((head.next_wake_at()?, head.key.clone())))
            .collect();
        due.sort();
        let middle = due
            .get(due.len() / 2)
            .map_or(Timestamp::EPOCH, |(due_at, _)| *due_at);
        for before in [middle, Timestamp::MAX] {
            let expected: Vec<_> = due
                .iter()
                .filter(|(at, _)| *at <= before)
                .cloned()
                .collect();
            let paged = paged(2, |after| replica.timers_due(after, before, 2).unwrap());
            assert_eq!(paged, expected);
        }
        let mut open: Vec<_> = heads
            .clone()
            .filter(|head| !head.outbox.is_empty())
            .map(|head| head.key.clone())
            .collect();
        open.sort();
        assert_eq!(
            paged(3, |after| replica.open_effects(after, 3).unwrap()),
            open
        );
        let heads = self.heads.values();
        let set_aside = heads.filter_map(|head| Some((head.set_aside_since()?, head.key.clone())));
        let mut set_aside: Vec<_> = set_aside.collect();
        set_aside.sort();
        assert_eq!(
            paged(2, |after| replica.set_aside(after, 2).unwrap()),
            set_aside
        );
        let letters = self
            .heads
            .values()
            .flat_map(|head| head.dead_letters.values());
        let sizes = letters.map(|letter| u64::from(letter.size_bytes));
        assert_eq!(
            replica.control().dead_letters.size_bytes,
            sizes.sum::<u64>()
        );
        let commands = self
            .heads
            .values()
            .map(|head| head.quarantined.len() as u64);
        assert_eq!(replica.control().quarantined.n, commands.sum::<u64>());
        for workspace in ["shop", "default", "nobody"] {
            let workspace = WorkspaceId::new(workspace).unwrap();
            let mut listed = paged(2, |after: Option<&CustomerKey>| {
                let after = after.map(|key| &key.customer);
                replica.customers(&workspace, after, 2).unwrap()
            });
            listed.sort();
            let keys = self.heads.keys().filter(|key| key.workspace == workspace);
            assert_eq!(listed, keys.cloned().collect::<Vec<_>>());
        }
    }
}

/// All pages one after the other.
fn paged<T: Clone>(n_max: usize, page: impl Fn(Option<&T>) -> Vec<T>) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let found = page(all.last());
        assert!(found.len() <= n_max);
        if found.is_empty() {
            return all;
        }
        all.extend(found);
    }
}

pub(super) fn consensus(lsn: Lsn) -> Bytes {
    Bytes::from(format!("log {lsn}"))
}
