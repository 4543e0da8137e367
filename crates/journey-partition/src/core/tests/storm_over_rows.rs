//! Far more timers due in one second than the heap holds, over real rows on disk, with the checkpointer writing behind:
//! 6,000 with a small heap, and with `RUN_SLOW_TESTS=1` a million with the real one, whose figures are printed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use journey_codec::{JournalEntry, Record};
use journey_customer::{DeliverySettings, EventBody};
use journey_storage::limits::{STATE_SEGMENT_SIZE_BYTES, STATE_VALUE_SIZE_BYTES_MAX};
use journey_storage::{Engine, SledEngine, SledOptions};
use journey_types::{ClusterKey, PartitionId, TimeSpan, Timestamp};
use parking_lot::Mutex;

use super::bed::{catalog, ingest_in};
use crate::applier::{Applier, Committed, EntryForm};
use crate::core::limits::{PROPOSALS_IN_FLIGHT_MAX, TIMERS_IN_MEMORY_MAX};
use crate::core::timers::TimerHeap;
use crate::core::{
    Answer, CoreOptions, Input, MemoryBounds, Output, PartitionCore, ProposalId, TicketId,
};
use crate::decided::DecidedEntry;
use crate::journal::ProposeResult;
use crate::replica::{CheckpointProgress, Checkpointer, Replica, ReplicaOptions, SharedReplica};

const CLUSTER_KEY: ClusterKey = ClusterKey::new([7; 16]);
const ARMED_AT_ONCE: usize = 500;

/// How large the storm is, and what there is to weather it.
#[derive(Debug, Clone, Copy)]
struct Size {
    n_timers: usize,
    heap_max: usize,
    hosted_max: usize,
    resident_bytes_max: usize,
}

const SMALL: Size = Size {
    n_timers: 6_000,
    heap_max: 500,
    hosted_max: 300,
    resident_bytes_max: 1024 * 1024,
};
const MILLION: Size = Size {
    n_timers: 1_000_000,
    heap_max: TIMERS_IN_MEMORY_MAX,
    hosted_max: 50_000,
    resident_bytes_max: 128 * 1024 * 1024,
};

#[expect(clippy::disallowed_methods, reason = "the test measures latency")]
fn instant() -> Instant {
    Instant::now()
}

/// A core over a replica on disk; its journal commits what is proposed one by one.
struct Line {
    core: PartitionCore,
    replica: SharedReplica,
    applier: Applier,
    proposed: VecDeque<(ProposalId, Arc<DecidedEntry>)>,
    now: Timestamp,
    wake_at: Option<Timestamp>,
    n_tickets: u64,
    /// When each open submission came, by clock and by batches committed so far.
    asked: BTreeMap<TicketId, (Instant, usize)>,
    /// What each answered one waited, likewise.
    waited: Vec<(Duration, usize)>,
    n_commits: usize,
    longest_call: Duration,
    /// How often each customer's timer fired.
    n_fired: Vec<u8>,
}

impl Line {
    fn open(engine: Arc<dyn Engine>, size: Size) -> Self {
        let replica = Replica::open(ReplicaOptions {
            partition: PartitionId::new(0),
            cluster_key: CLUSTER_KEY,
            tree: engine.tree("p0").unwrap(),
            engine,
            row_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
            customers_size_bytes_max: size.resident_bytes_max,
        });
        let replica: SharedReplica = Arc::new(Mutex::new(replica.unwrap()));
        let options = CoreOptions {
            decide: journey_customer::decide,
            cluster_key: CLUSTER_KEY,
            hosted_customers_max: size.hosted_max,
            memory: MemoryBounds::default(),
            opener_seed: 1,
            clock_step_max: None,
            delivery: DeliverySettings::default(),
        };
        let mut core = PartitionCore::new(options, Box::new(Arc::clone(&replica)));
        core.timers = TimerHeap::with_cap(size.heap_max);
        let (applier, _applied) = Applier::new(Arc::clone(&replica));
        let mut line = Self {
            core,
            replica,
            applier,
            proposed: VecDeque::new(),
            now: Timestamp::parse("2026-01-05T09:00:00Z").unwrap(),
            wake_at: None,
            n_tickets: 0,
            asked: BTreeMap::new(),
            waited: Vec::new(),
            n_commits: 0,
            longest_call: Duration::ZERO,
            n_fired: vec![0; size.n_timers],
        };
        line.input(Input::CatalogOffered(catalog(1)));
        line.input(Input::LeadershipGained);
        line.come_to_rest();
        line
    }

    fn input(&mut self, input: Input) {
        let begun = instant();
        let outputs = self.core.handle(input, self.now);
        self.longest_call = self.longest_call.max(begun.elapsed());
        for output in outputs {
            match output {
                Output::Propose {
                    proposal, entry, ..
                } => self.proposed.push_back((proposal, entry)),
                Output::Reply { ticket, answers } => self.answered(ticket, &answers),
                Output::WakeAt(at) => self.wake_at = Some(at),
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }

    fn answered(&mut self, ticket: TicketId, answers: &[Answer]) {
        let is_done = |answer: &Answer| matches!(answer, Answer::Done { .. });
        assert!(answers.iter().all(is_done), "{answers:?}");
        let (since, at_commit) = self.asked.remove(&ticket).unwrap();
        self.waited
            .push((since.elapsed(), self.n_commits - at_commit));
    }

    fn submit(&mut self, workspace: &str, customers: impl Iterator<Item = String>, name: &str) {
        let now = self.now;
        let commands = customers.map(|customer| ingest_in(workspace, &customer, name, now));
        let commands: Vec<_> = commands.collect();
        self.n_tickets += 1;
        let ticket = TicketId(self.n_tickets);
        self.asked.insert(ticket, (instant(), self.n_commits));
        let order = None;
        self.input(Input::Submit {
            ticket,
            commands,
            order,
        });
    }

    /// Applies the oldest proposal and reports it; answers whether there was one.
    fn commit(&mut self) -> bool {
        let Some((proposal, entry)) = self.proposed.pop_front() else {
            return false;
        };
        if let JournalEntry::Batch(batch) = entry.entry() {
            for record in &batch.records {
                self.look_at(record);
            }
        }
        let lsn = self.applier.applied().next();
        let committed = Committed {
            lsn,
            entry: Some(EntryForm::Decided(entry)),
        };
        self.applier.apply(&[committed], &Bytes::new()).unwrap();
        self.n_commits += 1;
        let result = ProposeResult::Applied { lsn };
        self.input(Input::Proposed { proposal, result });
        true
    }

    fn look_at(&mut self, record: &Record) {
        let Record::Turn(turn) = record else { return };
        for fact in &turn.events {
            if let EventBody::TimerFired { due_at, .. } = &fact.body {
                let customer = turn.customer.customer.as_str();
                assert!(fact.stamp > *due_at, "the timer of {customer} fired early");
                let number: usize = customer[1..].parse().unwrap();
                self.n_fired[number] += 1;
                assert_eq!(
                    self.n_fired[number], 1,
                    "the timer of {customer} fired twice"
                );
            }
        }
    }

    fn wake_if_due(&mut self) -> bool {
        let is_due = self.wake_at.take_if(|at| *at <= self.now).is_some();
        if is_due {
            self.input(Input::Wake);
        }
        is_due
    }

    fn come_to_rest(&mut self) {
        while self.commit() || self.wake_if_due() {}
    }

    fn n_fired(&self) -> usize {
        self.n_fired.iter().filter(|n| **n > 0).count()
    }
}

/// Arms as many timers as the storm has, all due within the same second.
fn arm(line: &mut Line, size: Size) {
    let start = line.now;
    for from in (0..size.n_timers).step_by(ARMED_AT_ONCE) {
        let customers = from..(from + ARMED_AT_ONCE).min(size.n_timers);
        // Over one second, whatever the disk takes for it.
        let ms = i64::try_from(from * 1_000 / size.n_timers).unwrap();
        line.now = start.plus(TimeSpan::from_ms(ms));
        line.submit("storm", customers.map(|n| format!("c{n}")), "wait_a_minute");
        line.come_to_rest();
    }
}

/// Lets them all fall due, with events coming all the while: of one customer that is in memory, of one that nobody has
/// heard of, and of one of the storm. Time goes on as it does.
fn weather(line: &mut Line) {
    line.now = line.now.plus(TimeSpan::from_secs(61));
    let (begun, start) = (instant(), line.now);
    line.waited.clear();
    line.longest_call = Duration::ZERO;
    line.input(Input::Wake);
    let n_timers = line.n_fired.len();
    for round in 0_usize.. {
        let elapsed_ms = i64::try_from(begun.elapsed().as_millis()).unwrap();
        line.now = start.plus(TimeSpan::from_ms(elapsed_ms));
        if line.n_fired() == n_timers {
            break;
        }
        let of_storm = format!("c{}", round * 7_919 % n_timers);
        line.submit("calm", ["hot".to_owned()].into_iter(), "seen");
        line.submit("calm", [format!("new{round}")].into_iter(), "seen");
        line.submit("storm", [of_storm].into_iter(), "seen");
        assert!(
            line.commit() || line.wake_if_due(),
            "the storm stands still"
        );
    }
    line.come_to_rest();
}

/// Writes behind until told to stop, as the node's upkeep does while memory presses.
fn write_behind(replica: &SharedReplica, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        if Checkpointer.step(replica).unwrap() == CheckpointProgress::Idle {
            std::thread::yield_now();
        }
    }
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn storm(size: Size) {
    let folder = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(SledOptions {
        path: folder.path().join("state"),
        segment_size_bytes: STATE_SEGMENT_SIZE_BYTES,
        value_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
        cache_capacity_bytes: 64 * 1024 * 1024,
    });
    let mut line = Line::open(Arc::new(engine.unwrap()), size);
    let stop = AtomicBool::new(false);
    let replica = Arc::clone(&line.replica);
    std::thread::scope(|scope| {
        scope.spawn(|| write_behind(&replica, &stop));
        let begun = instant();
        arm(&mut line, size);
        let armed = begun.elapsed();
        assert_eq!(line.n_fired(), 0);
        let begun = instant();
        weather(&mut line);
        report(&line, armed, begun.elapsed());
        stop.store(true, Ordering::Release);
    });
    assert!(
        line.n_fired.iter().all(|n| *n == 1),
        "some timer did not fire"
    );
    assert!(line.asked.is_empty(), "some event was not answered");
    let batches = line.waited.iter().map(|(_, n_batches)| *n_batches).max();
    // What was in flight when it came, its own batch, and one in which it was not its turn.
    assert!(batches <= Some(PROPOSALS_IN_FLIGHT_MAX + 2), "{batches:?}");
    assert_eq!(line.core.status(line.now).timers_overdue.n(), 0);
}

fn report(line: &Line, armed: Duration, weathered: Duration) {
    let mut waited: Vec<Duration> = line.waited.iter().map(|(waited, _)| *waited).collect();
    waited.sort();
    eprintln!(
        "{} timers armed in {armed:.1?}, fired in {weathered:.1?} with {} events answered meanwhile, p50 {:.1?}, p99 {:.1?}, \
         max {:.1?}; longest call of the core {:.1?}",
        line.n_fired.len(),
        waited.len(),
        quantile(&waited, 50),
        quantile(&waited, 99),
        quantile(&waited, 100),
        line.longest_call
    );
}

#[test]
fn a_storm_larger_than_the_heap_is_weathered_over_rows() {
    storm(SMALL);
    if std::env::var_os("RUN_SLOW_TESTS").is_some() {
        storm(MILLION);
    }
}
