//! What the rest of the node holds of a partition: submit, read, subscribe. Bounded at the door.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use journey_codec::{Held, JourneyCounts};
use journey_customer::{Command, CustomerState};
use journey_model::Catalog;
use journey_types::{
    CatalogRevision, CustomerId, CustomerKey, DURATION_BOUNDS_US, DefinitionVersion, Histogram,
    HistogramCounts, JourneyId, Lsn, PartitionId, Timestamp, WorkspaceId,
};
use parking_lot::Mutex;
use ractor::{ActorCell, ActorRef};
use tokio::sync::{mpsc, oneshot};

use super::door::{Door, DoorStatus, Intake, SubmitError};
use super::limits::OLDEST_LOOKS_MAX;
use super::message::PartitionMessage;
use super::supervisor::PartitionOptions;
use crate::core::{
    Answer, CoreOptions, HandOver, Input, PartitionStatus, QuarantinedCommand, Refusal,
    SubmissionOrder, Subscription, WorkerId,
};
use crate::error::PartitionError;
use crate::replica::ReplicaStats;

type Subscriptions = BTreeMap<WorkerId, (Subscription, mpsc::Sender<HandOver>)>;

/// What outlives a failed actor.
pub(super) struct Shared {
    pub(super) options: PartitionOptions,
    /// The newest catalog the node has.
    pub(super) catalog: ArcSwapOption<Catalog>,
    leads: AtomicBool,
    subscriptions: Mutex<Subscriptions>,
    actor: Mutex<Option<ActorRef<PartitionMessage>>>,
    pub(super) door: Door,
    n_handled: AtomicU64,
    n_failures: AtomicU64,
    /// How long customers took to be read from rows.
    pub(super) activation_us: Histogram,
    stopped: Mutex<Option<String>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Partition({})", self.options.partition)
    }
}

impl Shared {
    pub(super) fn new(options: PartitionOptions) -> Self {
        Self {
            door: Door::new(options.requests_max),
            n_handled: AtomicU64::new(0),
            n_failures: AtomicU64::new(0),
            activation_us: Histogram::new(DURATION_BOUNDS_US),
            options,
            catalog: ArcSwapOption::empty(),
            leads: AtomicBool::new(false),
            subscriptions: Mutex::default(),
            actor: Mutex::default(),
            stopped: Mutex::default(),
        }
    }

    pub(super) const fn partition(&self) -> PartitionId {
        self.options.partition
    }

    pub(super) fn core_options(&self) -> CoreOptions {
        CoreOptions {
            decide: self.options.decide,
            cluster_key: self.options.cluster_key,
            hosted_customers_max: self.options.hosted_customers_max,
            memory: self.options.memory,
            opener_seed: self.options.opener_seed,
            clock_step_max: self.options.clock_step_max,
            delivery: self.options.delivery.clone(),
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    pub(super) fn subscriptions(&self) -> Vec<(Subscription, mpsc::Sender<HandOver>)> {
        self.subscriptions.lock().values().cloned().collect()
    }

    pub(super) fn set_actor(&self, actor: ActorRef<PartitionMessage>) {
        *self.actor.lock() = Some(actor);
    }

    pub(super) fn set_stopped(&self, reason: String) {
        *self.stopped.lock() = Some(reason);
    }

    pub(super) fn count_failure(&self) {
        self.n_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_handled(&self) {
        self.n_handled.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends what a stopped actor need not hear, and what one that is started anew is told by `take_up`.
    fn send_if_running(&self, message: PartitionMessage) {
        if self.send(message).is_err() {
            tracing::debug!(
                partition_id = self.partition().get(),
                "partition actor is not running"
            );
        }
    }

    fn send(&self, message: PartitionMessage) -> Result<(), Closed> {
        let actor = self.actor.lock().clone().ok_or(Closed)?;
        actor.send_message(message).map_err(|_| Closed)
    }
}

/// What became of the instances of a journey.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceFigures {
    /// That run.
    pub active: u64,
    /// That wait for somebody to mend something.
    pub parked: u64,
    /// That ended by themselves.
    pub completed: u64,
    /// That left early.
    pub exited: u64,
    /// That were held out.
    pub held_out: u64,
}

impl InstanceFigures {
    fn of(counts: &JourneyCounts) -> Self {
        Self {
            active: counts.active(),
            parked: counts.parked(),
            completed: counts.completed,
            exited: counts.exited.values().sum(),
            held_out: counts.held_out,
        }
    }

    /// Adds those of others.
    pub const fn add(&mut self, others: &Self) {
        self.active += others.active;
        self.parked += others.parked;
        self.completed += others.completed;
        self.exited += others.exited;
        self.held_out += others.held_out;
    }
}

/// The partition's actor is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the partition is not running")]
pub struct Closed;

/// A partition of this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PartitionHandle {
    shared: Arc<Shared>,
    supervisor: ActorCell,
}

impl PartitionHandle {
    pub(super) const fn new(shared: Arc<Shared>, supervisor: ActorCell) -> Self {
        Self { shared, supervisor }
    }

    /// Which partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.shared.partition()
    }

    /// Whether this replica leads, as far as the node knows.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.shared.leads()
    }

    /// Why it refuses everything, if it does.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.shared.stopped.lock().clone().or_else(|| {
            self.shared
                .options
                .replica
                .lock()
                .stopped()
                .map(str::to_owned)
        })
    }

    /// Submits commands of one request without waiting. The answers come one per command, in order, when everything
    /// they depend on is applied; a receiver that closes without them means that the outcome is unknown.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was done.
    pub fn submit(
        &self,
        commands: Vec<(CustomerKey, Command)>,
        order: Option<SubmissionOrder>,
    ) -> Result<oneshot::Receiver<Vec<Answer>>, SubmitError> {
        let permit = self.shared.door.admit(&commands).inspect_err(|_| {
            if let Some(order) = &order {
                order.refused_at_the_door(&commands);
            }
        })?;
        let (answers, receiver) = oneshot::channel();
        let message = PartitionMessage::Submit {
            commands,
            order,
            answers,
            permit,
        };
        self.shared
            .send(message)
            .map_err(|Closed| SubmitError::Closed)?;
        Ok(receiver)
    }

    /// Says what is taken in from now on. What was taken in before goes on.
    pub fn set_intake(&self, intake: Intake) {
        self.shared.door.set_intake(intake);
    }

    /// What is taken in.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.shared.door.intake()
    }

    /// What waits and what was refused at the door.
    #[must_use]
    pub fn door(&self) -> DoorStatus {
        self.shared.door.status()
    }

    /// Messages that the partition's actor has handled, over all its lives: while something waits for it, this moves.
    #[must_use]
    pub fn n_handled(&self) -> u64 {
        self.shared.n_handled.load(Ordering::Relaxed)
    }

    /// Failures of the partition's actor, after each of which it was started anew or given up.
    #[must_use]
    pub fn n_failures(&self) -> u64 {
        self.shared.n_failures.load(Ordering::Relaxed)
    }

    /// How long customers took to be read from rows, in microseconds, over all lives of the actor.
    #[must_use]
    pub fn activation_us(&self) -> HistogramCounts {
        self.shared.activation_us.counts()
    }

    /// Whether this replica was proven to lead so lately that nobody else can lead yet: what is read now is stale by less
    /// than an election timeout. Where it does not hold, [`Self::prove_leadership`] may.
    #[must_use]
    pub fn holds_lease(&self) -> bool {
        self.shared.options.journal.holds_lease()
    }

    /// Proves that this replica leads after this call, so that what is read next is linearizable.
    ///
    /// # Errors
    /// Why it could not be proven.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn prove_leadership(&self) -> Result<(), Refusal> {
        let (done, receiver) = oneshot::channel();
        self.shared
            .send(PartitionMessage::Read(done))
            .map_err(|Closed| Refusal::NotLeader)?;
        receiver.await.unwrap_or(Err(Refusal::NotLeader))
    }

    /// Waits until the replica has applied the entry.
    ///
    /// # Errors
    /// [`Closed`] when it never will.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait_applied(&self, lsn: Lsn) -> Result<(), Closed> {
        let mut applied = self.shared.options.applied.clone();
        applied
            .wait_for(|applied| *applied >= lsn)
            .await
            .map(|_| ())
            .map_err(|_| Closed)
    }

    /// Waits until the replica has adopted the catalog of that revision or a later one.
    ///
    /// # Errors
    /// [`Closed`] when it never will.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait_catalog(&self, revision: CatalogRevision) -> Result<(), Closed> {
        let mut applied = self.shared.options.applied.clone();
        loop {
            if self
                .shared
                .options
                .replica
                .lock()
                .control()
                .catalog_revision
                >= revision
            {
                return Ok(());
            }
            applied.changed().await.map_err(|_| Closed)?;
        }
    }

    /// Tells the partition that this replica leads, or leads no more.
    pub fn set_leads(&self, leads: bool) {
        self.shared.leads.store(leads, Ordering::Release);
        self.input(if leads {
            Input::LeadershipGained
        } else {
            Input::LeadershipLost
        });
    }

    /// Offers a newer catalog; the partition adopts it through its journal.
    pub fn offer_catalog(&self, catalog: Arc<Catalog>) {
        self.shared.catalog.store(Some(Arc::clone(&catalog)));
        self.input(Input::CatalogOffered(catalog));
    }

    /// Subscribes a worker stream. Its channel must have room for all its credit; what does not fit is not handed
    /// over and comes again when its claim expires.
    pub fn subscribe(&self, subscription: Subscription, hand_overs: mpsc::Sender<HandOver>) {
        let kept = (subscription.clone(), hand_overs.clone());
        self.shared
            .subscriptions
            .lock()
            .insert(subscription.worker, kept);
        self.shared.send_if_running(PartitionMessage::Subscribe {
            subscription,
            hand_overs,
        });
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, worker: WorkerId) {
        self.shared.subscriptions.lock().remove(&worker);
        self.shared
            .send_if_running(PartitionMessage::Unsubscribe(worker));
    }

    /// Tells that a worker's shared credit has grown.
    pub fn credit_added(&self, worker: WorkerId) {
        self.input(Input::CreditAdded(worker));
    }

    /// An operator says that the clock is right after its jump.
    pub fn accept_clock(&self) {
        self.input(Input::AcceptClock);
    }

    fn input(&self, input: Input) {
        self.shared
            .send_if_running(PartitionMessage::Input(Box::new(input)));
    }

    /// The leader's state at a glance.
    ///
    /// # Errors
    /// [`Closed`] when the actor is gone.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn status(&self) -> Result<PartitionStatus, Closed> {
        let (status, receiver) = oneshot::channel();
        self.shared.send(PartitionMessage::Status(status))?;
        receiver.await.map_err(|_| Closed)
    }

    /// Commands whose deciding panicked, oldest first.
    ///
    /// # Errors
    /// [`Closed`] when the actor is gone.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn quarantined(&self) -> Result<Vec<QuarantinedCommand>, Closed> {
        let (commands, receiver) = oneshot::channel();
        self.shared.send(PartitionMessage::Quarantine(commands))?;
        receiver.await.map_err(|_| Closed)
    }

    /// Customers with something set aside, dead letters or quarantined commands, and those that are parked, after the
    /// given one, in the order of (since when the oldest of it lies there, customer).
    ///
    /// # Errors
    /// A failing disk.
    pub fn set_aside(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        n_max: usize,
    ) -> Result<Vec<(Timestamp, CustomerKey)>, PartitionError> {
        self.shared.options.replica.lock().set_aside(after, n_max)
    }

    /// What lies among the dead letters, and what in the quarantines.
    #[must_use]
    pub fn held(&self) -> (Held, Held) {
        let replica = self.shared.options.replica.lock();
        let control = replica.control();
        (control.dead_letters, control.quarantined)
    }

    /// Since when the oldest dead letter lies there (`dlq_oldest_age_seconds` is its age). Customers whose oldest thing
    /// set aside is a quarantined command are looked through up to a bound; beyond it the answer may be somewhat young.
    ///
    /// # Errors
    /// A failing disk.
    pub fn oldest_dead_letter(&self) -> Result<Option<Timestamp>, PartitionError> {
        let mut replica = self.shared.options.replica.lock();
        let mut oldest: Option<Timestamp> = None;
        for (since, key) in replica.set_aside(None, OLDEST_LOOKS_MAX)? {
            if oldest.is_some_and(|oldest| oldest <= since) {
                break;
            }
            let state = replica.customer(&key)?;
            let letters = state.iter().flat_map(|state| state.dead_letters.values());
            let of_customer = letters.map(|letter| letter.since).min();
            oldest = [oldest, of_customer].into_iter().flatten().min();
        }
        Ok(oldest)
    }

    /// A customer's committed state.
    ///
    /// # Errors
    /// A failing disk.
    pub fn customer(
        &self,
        key: &CustomerKey,
    ) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        self.shared.options.replica.lock().customer(key)
    }

    /// Customers of a workspace after one, in an order of the partition's own.
    ///
    /// # Errors
    /// A failing disk.
    pub fn customers(
        &self,
        workspace: &WorkspaceId,
        after: Option<&CustomerId>,
        n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError> {
        self.shared
            .options
            .replica
            .lock()
            .customers(workspace, after, n_max)
    }

    /// Counts of a journey; version 0 means every version.
    #[must_use]
    pub fn counts(&self, journey: &JourneyId, version: u32) -> Vec<JourneyCounts> {
        let wanted = |of: DefinitionVersion| version == 0 || of.get() == version;
        let replica = self.shared.options.replica.lock();
        replica
            .counts()
            .iter()
            .filter(|((id, of), _)| id == journey && wanted(*of))
            .map(|(_, counts)| counts.clone())
            .collect()
    }

    /// Figures of the replica.
    #[must_use]
    pub fn replica_stats(&self) -> ReplicaStats {
        self.shared.options.replica.lock().stats()
    }

    /// The same, unless the replica is busy just now: for whoever must not wait for a stuck one.
    #[must_use]
    pub fn replica_stats_if_free(&self) -> Option<ReplicaStats> {
        let replica = self.shared.options.replica.try_lock()?;
        Some(replica.stats())
    }

    /// What became of the instances of each journey, all versions together; `None` while the replica is busy.
    #[must_use]
    pub fn instances_if_free(&self) -> Option<BTreeMap<JourneyId, InstanceFigures>> {
        let replica = self.shared.options.replica.try_lock()?;
        let mut figures: BTreeMap<JourneyId, InstanceFigures> = BTreeMap::new();
        for ((journey, _), counts) in replica.counts() {
            match figures.get_mut(journey) {
                Some(figures) => figures.add(&InstanceFigures::of(counts)),
                None => drop(figures.insert(journey.clone(), InstanceFigures::of(counts))),
            }
        }
        Some(figures)
    }

    /// Why it refuses everything, as far as that can be told without waiting for the replica.
    #[must_use]
    pub fn stopped_if_free(&self) -> Option<String> {
        let told = self.shared.stopped.lock().clone();
        told.or_else(|| {
            let replica = self.shared.options.replica.try_lock()?;
            replica.stopped().map(str::to_owned)
        })
    }

    /// How many timers are due at or before the instant, counted up to a bound.
    ///
    /// # Errors
    /// A failing disk.
    pub fn n_timers_due(&self, at: Timestamp, n_max: usize) -> Result<usize, PartitionError> {
        Ok(self
            .shared
            .options
            .replica
            .lock()
            .timers_due(None, at, n_max)?
            .len())
    }

    /// Stops the partition's actors. Requests under way close without answers: their outcome is unknown.
    ///
    /// # Cancel safety
    /// Safe: the stop goes on.
    pub async fn stop(&self) {
        let actor = self.shared.actor.lock().take();
        if let Some(actor) = actor {
            drop(actor.stop_and_wait(None, None).await);
        }
        drop(self.supervisor.stop_and_wait(None, None).await);
    }
}
