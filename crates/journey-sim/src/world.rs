//! The simulated node: core, replica, journal and engine, driven one small step at a time.

mod answers;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use journey_customer::{Command, DeliverySettings};
use journey_model::Catalog;
use journey_partition::{
    Answer, ApplyVerdict, CheckpointProgress, Checkpointer, ConfirmationId, CoreOptions,
    DecidedEntry, Destinations, HandOver, Input, MemoryBounds, Output, PartitionCore, ProposalId,
    ProposeResult, Replica, ReplicaOptions, SharedReplica, SubmissionOrder, Subscription, TicketId,
    WorkerCredit, WorkerId, core::limits::CLOCK_STEP_MAX,
};
use journey_storage::{CrashPoint, Engine as _, Fault, MemoryEngine};
use journey_types::{ClusterKey, CustomerKey, Lsn, PartitionId, TimeSpan, Timestamp, WorkspaceId};
use parking_lot::Mutex;
use rand::Rng as _;
use rand::rngs::SmallRng;
use xxhash_rust::xxh3::Xxh3;

use crate::deciding;
use crate::journal::JournalModel;
use crate::options::{SessionEnd, SimOptions};
use crate::oracle::Oracle;
use crate::world::watch::Watch;

/// 2026-01-05T09:00:00Z, a Monday.
const START: Timestamp = Timestamp::from_unix_ms(1_767_603_600_000);
/// Longest row of the simulated state database, as on disk.
const ROW_SIZE_BYTES_MAX: usize = 4_096;
/// The secret of the simulated cluster.
pub(crate) const CLUSTER_KEY: ClusterKey = ClusterKey::new([7; 16]);
/// Changes of one write that may come before it tears: more than most writes of a run have.
const TORN_AFTER_CHANGES_MAX: usize = 24;
/// One in so many proposals is reported after the one behind it.
const REPORTED_LATE_EVERY: u64 = 5;
/// Bytes of customers that the replica keeps beside those it has to write: fewer than a run has.
pub(crate) const CLEAN_SIZE_BYTES_MAX: usize = 16 * 1024;
/// Customers kept in memory: fewer than a run has.
pub(crate) const HOSTED_MAX: usize = 3;
/// Effects the simulated worker takes at once.
pub(crate) const WORKER_CREDIT: u32 = 4;

/// Proof of leadership: the last proposal, the last confirmation.
#[derive(Debug, Clone, Copy, Default)]
struct Proof {
    proposal: u64,
    confirmation: u64,
}

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) core: PartitionCore,
    pub(crate) replica: SharedReplica,
    pub(crate) engine: MemoryEngine,
    pub(crate) journal: JournalModel,
    pub(crate) oracle: Oracle,
    pub(crate) catalog: Arc<Catalog>,
    /// Effects at the worker, unanswered.
    pub(crate) at_worker: VecDeque<HandOver>,
    pub(crate) wake_at: Option<Timestamp>,
    /// Commands whose answers are awaited.
    waiting: BTreeMap<TicketId, Vec<(CustomerKey, Command)>>,
    /// Proposals of this core as it decided them.
    decided: BTreeMap<ProposalId, Arc<DecidedEntry>>,
    /// What was asked of the journal before each ticket: only later proof counts for its answer.
    asked_before: BTreeMap<TicketId, Proof>,
    /// The last that this core asked for, and the last that came.
    asked: Proof,
    proven: Proof,
    /// Linearizable reads that wait, with the highest lsn that anyone was told of before.
    reading: BTreeMap<TicketId, Lsn>,
    /// Submissions of the producer that keeps its events in order, and their answers, until it takes them.
    ordered: BTreeSet<TicketId>,
    ordered_answers: Vec<(TicketId, Vec<Answer>)>,
    /// The one exact point at which the session is to end, and how far the run is.
    end: Option<SessionEnd>,
    n_inputs: u64,
    n_proposals: u64,
    pub(crate) watch: Watch,
    pub(crate) deciding_panics: bool,
    /// Whether reports come out of order, and the one that is held back.
    reports_late: bool,
    late_report: Option<(ProposalId, ProposeResult)>,
    /// Proofs of leadership that were asked for.
    confirmations: VecDeque<ConfirmationId>,
    credit: WorkerCredit,
    worker: WorkerId,
    n_tickets: u64,
    n_incarnations: u64,
    trace: Xxh3,
    /// How often each fault happened: a fault that never does proves nothing.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl World {
    pub(crate) fn new(options: &SimOptions, catalog: Arc<Catalog>) -> Self {
        let engine = MemoryEngine::new(ROW_SIZE_BYTES_MAX);
        let replica = open_replica(&engine);
        let core = new_core(options, options.seed, &replica);
        let mut world = Self {
            now: START,
            core,
            replica,
            engine,
            journal: JournalModel::default(),
            oracle: Oracle::default(),
            catalog,
            at_worker: VecDeque::new(),
            wake_at: None,
            waiting: BTreeMap::new(),
            decided: BTreeMap::new(),
            asked_before: BTreeMap::new(),
            asked: Proof::default(),
            proven: Proof::default(),
            reading: BTreeMap::new(),
            ordered: BTreeSet::new(),
            ordered_answers: Vec::new(),
            end: options.end,
            n_inputs: 0,
            n_proposals: 0,
            watch: Watch::new(options.n_customers),
            deciding_panics: options.faults.panics,
            reports_late: options.faults.late_reports,
            late_report: None,
            confirmations: VecDeque::new(),
            credit: WorkerCredit::new(),
            worker: WorkerId(0),
            n_tickets: 0,
            n_incarnations: 0,
            trace: Xxh3::new(),
            faults: BTreeMap::new(),
        };
        world.lead();
        world
    }

    /// A hash over everything that came out of the core: equal for two runs of one seed.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.trace.digest()
    }

    /// Offers the catalog, gains leadership, subscribes the worker anew.
    pub(crate) fn lead(&mut self) {
        self.give(Input::CatalogOffered(Arc::clone(&self.catalog)));
        self.give(Input::LeadershipGained);
        self.give(Input::Unsubscribe(self.worker));
        self.worker = WorkerId(self.worker.0 + 1);
        self.credit = WorkerCredit::new();
        self.credit.add(WORKER_CREDIT);
        let subscription = Subscription {
            worker: self.worker,
            name: "w1".to_owned(),
            workspace: WorkspaceId::default_workspace(),
            destinations: Destinations::everything(),
            credit: self.credit.clone(),
            claim_span: TimeSpan::from_secs(30),
        };
        self.give(Input::Subscribe(subscription));
    }

    pub(crate) fn submit(&mut self, commands: Vec<(CustomerKey, Command)>) {
        let ticket = self.next_ticket();
        for (_, command) in &commands {
            self.oracle.id_of(command);
        }
        self.waiting.insert(ticket, commands.clone());
        let order = None;
        self.give(Input::Submit {
            ticket,
            commands,
            order,
        });
    }

    /// The same under the order of a producer.
    pub(crate) fn submit_in(
        &mut self,
        commands: Vec<(CustomerKey, Command)>,
        order: &SubmissionOrder,
    ) -> TicketId {
        let ticket = self.next_ticket();
        self.waiting.insert(ticket, commands.clone());
        self.ordered.insert(ticket);
        let order = Some(order.clone());
        self.give(Input::Submit {
            ticket,
            commands,
            order,
        });
        ticket
    }

    pub(crate) fn take_ordered_answers(&mut self) -> Vec<(TicketId, Vec<Answer>)> {
        std::mem::take(&mut self.ordered_answers)
    }

    pub(crate) fn read(&mut self) {
        let ticket = self.next_ticket();
        self.reading.insert(ticket, self.oracle.told);
        self.give(Input::Read { ticket });
    }

    fn next_ticket(&mut self) -> TicketId {
        self.n_tickets += 1;
        let ticket = TicketId(self.n_tickets);
        self.asked_before.insert(ticket, self.asked);
        ticket
    }

    /// Gives the core an input and carries its outputs out.
    pub(crate) fn give(&mut self, input: Input) {
        self.n_inputs += 1;
        if self.end == Some(SessionEnd::BeforeInput(self.n_inputs)) {
            self.give(Input::LeadershipLost);
            self.lead();
        }
        self.watch.holds_timers &= !matches!(input, Input::AcceptClock);
        for output in self.core.handle(input, self.now) {
            self.carry_out(output);
        }
        self.watch_core();
    }

    /// Whether the exact point of [`SimOptions::end`] was reached.
    pub(crate) const fn has_ended(&self) -> bool {
        match self.end {
            None => true,
            Some(SessionEnd::Proposal(n, _)) => self.n_proposals >= n,
            Some(SessionEnd::BeforeInput(n)) => self.n_inputs >= n,
        }
    }

    fn carry_out(&mut self, output: Output) {
        match &output {
            // Its bytes say all that it says in words, and are at hand.
            Output::Propose { encoded, .. } => self.trace.update(encoded),
            other => self.trace.update(format!("{other:?}").as_bytes()),
        }
        match output {
            Output::Propose {
                proposal,
                entry,
                encoded,
            } => {
                self.asked.proposal = proposal.0;
                self.n_proposals += 1;
                if self.watch.proposed(proposal, entry.entry(), encoded.len()) {
                    self.count_fault("turn on a head in flight");
                }
                let fate = match self.end {
                    Some(SessionEnd::Proposal(n, fate)) if n == self.n_proposals => Some(fate),
                    Some(_) | None => None,
                };
                self.decided.insert(proposal, entry);
                self.journal.propose(proposal, encoded, fate);
            }
            Output::Reply { ticket, answers } => self.answered(ticket, &answers),
            Output::ReadProven { ticket, result } => self.read_proven(ticket, &result),
            Output::ConfirmLeadership(confirmation) => {
                self.asked.confirmation = confirmation.0;
                self.confirmations.push_back(confirmation);
            }
            Output::HandOver(hand_over) => self.handed_over(hand_over),
            Output::WakeAt(at) => self.wake_at = Some(at),
            Output::Stopped { reason } => panic!("the partition stopped: {reason}"),
        }
    }

    /// Answers the oldest request for proof of leadership: one voter proves it by asking, once everything committed
    /// is applied. `false` when there is none.
    pub(crate) fn confirm(&mut self, leads: bool) -> bool {
        let Some(confirmation) = self.confirmations.pop_front() else {
            return false;
        };
        self.apply_all();
        if leads {
            self.proven.confirmation = confirmation.0;
        }
        self.give(Input::LeadershipConfirmed {
            confirmation,
            leads,
        });
        true
    }

    /// A worker stream answers an effect: its credit comes back, unless the stream is another one by now.
    pub(crate) fn add_credit(&mut self, worker: WorkerId) {
        if worker == self.worker {
            self.credit.add(1);
            self.give(Input::CreditAdded(self.worker));
        }
    }

    /// Applies everything durable, one entry after the other, and tells the core of each.
    pub(crate) fn apply_all(&mut self) {
        while self.apply_one() {}
    }

    /// Applies one durable entry; `false` when there is none.
    pub(crate) fn apply_one(&mut self) -> bool {
        let Some((lsn, entry)) = self.journal.next_to_apply() else {
            return false;
        };
        let decoded = journey_codec::decode_entry(&entry.encoded).expect("encoded by this process");
        // As on a node: what this core proposed comes back as it was decided, all else as bytes.
        let decided = entry.proposal.and_then(|it| self.decided.remove(&it));
        let verdict = {
            let mut replica = self.replica.lock();
            match decided {
                Some(decided) => replica.apply_decided(lsn, &decided, &Bytes::new()),
                None => replica.apply(lsn, Some(&decoded), &Bytes::new()),
            }
        };
        let verdict =
            verdict.unwrap_or_else(|error| panic!("applying {lsn} stopped the partition: {error}"));
        let result = match verdict {
            ApplyVerdict::Applied => {
                self.oracle.applied(lsn, &decoded);
                ProposeResult::Applied { lsn }
            }
            ApplyVerdict::Superseded => ProposeResult::Superseded,
        };
        if let Some(proposal) = entry.proposal {
            self.proposed(proposal, result);
        }
        true
    }

    /// Tells the core what became of a proposal, at once or only after the next report.
    pub(crate) fn proposed(&mut self, proposal: ProposalId, result: ProposeResult) {
        let is_applied = matches!(result, ProposeResult::Applied { .. });
        let is_late = is_applied && proposal.0.is_multiple_of(REPORTED_LATE_EVERY);
        if self.reports_late && is_late && self.late_report.is_none() {
            self.late_report = Some((proposal, result));
            return;
        }
        self.report(proposal, result);
        self.report_late_one();
    }

    /// Delivers the report that was held back, if there is one.
    pub(crate) fn report_late_one(&mut self) {
        if let Some((proposal, result)) = self.late_report.take() {
            self.count_fault("reported late");
            self.report(proposal, result);
        }
    }

    fn report(&mut self, proposal: ProposalId, result: ProposeResult) {
        if matches!(result, ProposeResult::Applied { .. }) {
            self.proven.proposal = self.proven.proposal.max(proposal.0);
        }
        self.watch.reported(proposal);
        self.give(Input::Proposed { proposal, result });
    }

    /// Cuts the power: the log keeps what was synced and a prefix of the rest, the state likewise; a new core starts.
    pub(crate) fn cut_power(&mut self, options: &SimOptions, rng: &mut SmallRng) {
        let n_kept = rng.random_range(0..=self.journal.n_unsynced());
        self.engine = self.engine.crash(CrashPoint::Seeded(rng.random()));
        self.replica = open_replica(&self.engine);
        let floor = self.replica.lock().floor();
        self.journal.cut_power(n_kept, floor);
        for (customer, command) in std::mem::take(&mut self.waiting).into_values().flatten() {
            if let Some(id) = self.oracle.id_of(&command) {
                self.oracle.possibly_done.insert((customer, id));
            }
        }
        self.late_report = None;
        self.reading.clear();
        self.decided.clear();
        self.ordered.clear();
        self.ordered_answers.clear();
        self.asked_before.clear();
        (self.asked, self.proven) = (Proof::default(), Proof::default());
        self.confirmations.clear();
        self.at_worker.clear();
        self.wake_at = None;
        self.n_incarnations += 1;
        let opener_seed = options.seed ^ (self.n_incarnations << 32);
        self.core = new_core(options, opener_seed, &self.replica);
        self.watch.restart();
        self.lead();
    }

    /// Checkpoints until the disk fails in the middle of it, as it would when the power goes; to be followed by
    /// [`Self::cut_power`]. `false` when there was nothing to write.
    pub(crate) fn tear_checkpoint(&self, rng: &mut SmallRng) -> bool {
        let fault = if rng.random_bool(0.5) {
            Fault::NextFlush
        } else {
            let after = rng.random_range(0..TORN_AFTER_CHANGES_MAX);
            Fault::NextPut { after }
        };
        self.engine.inject(fault);
        loop {
            match Checkpointer.step(&self.replica) {
                Ok(CheckpointProgress::Idle) => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }

    /// One bounded piece of a checkpoint.
    pub(crate) fn checkpoint_step(&self) {
        Checkpointer
            .step(&self.replica)
            .expect("the memory engine does not fail");
    }

    /// Credit that the worker still has to give; never more than it gave.
    pub(crate) fn credit_left(&self) -> u32 {
        self.credit.left()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.reading.is_empty()
            && self.late_report.is_none()
            && self.confirmations.is_empty()
            && self.journal.pending.is_empty()
            && !self.journal.has_unapplied()
    }

    pub(crate) fn count_fault(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_insert(0) += 1;
    }

    /// Applies the whole journal to a fresh replica: what any other replica would hold.
    pub(crate) fn replayed(&self) -> (u128, Lsn) {
        let engine = MemoryEngine::new(ROW_SIZE_BYTES_MAX);
        let replica = open_replica(&engine);
        let mut replica = replica.lock();
        let last = self.replica.lock().applied();
        for (lsn, entry) in self.journal.all().filter(|(lsn, _)| *lsn <= last) {
            replica
                .apply(lsn, Some(&entry), &Bytes::new())
                .expect("it was applied before");
        }
        (
            replica
                .state_hash()
                .expect("the memory engine does not fail"),
            replica.applied(),
        )
    }
}

fn new_core(options: &SimOptions, opener_seed: u64, replica: &SharedReplica) -> PartitionCore {
    let options = CoreOptions {
        decide: if options.faults.panics {
            deciding::panicking
        } else {
            deciding::pausing
        },
        cluster_key: CLUSTER_KEY,
        hosted_customers_max: HOSTED_MAX,
        memory: MemoryBounds::default(),
        opener_seed,
        clock_step_max: Some(CLOCK_STEP_MAX),
        delivery: DeliverySettings::default(),
    };
    PartitionCore::new(options, Box::new(Arc::clone(replica)))
}

fn open_replica(engine: &MemoryEngine) -> SharedReplica {
    let tree = engine.tree("p0").expect("the memory engine does not fail");
    let options = ReplicaOptions {
        partition: PartitionId::new(0),
        cluster_key: CLUSTER_KEY,
        engine: Arc::new(engine.clone()),
        tree,
        row_size_bytes_max: ROW_SIZE_BYTES_MAX,
        customers_size_bytes_max: CLEAN_SIZE_BYTES_MAX,
    };
    let replica = Replica::open(options).expect("rows of this release");
    Arc::new(Mutex::new(replica))
}
