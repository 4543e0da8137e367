//! The actor of one partition: gives inputs to the core and carries its outputs out. Never waits for disk or Raft.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journey_types::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::door::{Intake, Permit};
use super::handle::Shared;
use super::message::PartitionMessage;
use super::timed_reader::TimedReader;
use crate::core::{Answer, HandOver, Input, Output, PartitionCore, Refusal, TicketId, WorkerId};
use crate::journal::{ProposalDone, ProposeResult};

/// Behaviour only; what changes lies in [`Driver`].
#[derive(Debug)]
pub(super) struct PartitionActor;

/// A request whose answers are not out yet.
#[derive(Debug)]
struct Waiting {
    answers: oneshot::Sender<Vec<Answer>>,
    _permit: Permit,
}

/// The actor's state.
pub(super) struct Driver {
    shared: Arc<Shared>,
    core: PartitionCore,
    myself: ActorRef<PartitionMessage>,
    n_tickets: u64,
    waiting: BTreeMap<TicketId, Waiting>,
    reads: BTreeMap<TicketId, oneshot::Sender<Result<(), Refusal>>>,
    workers: BTreeMap<WorkerId, mpsc::Sender<HandOver>>,
    wake_up: Option<JoinHandle<()>>,
}

/// What the journal will tell, or that it never will: without it the core would wait for ever.
struct Report {
    actor: ActorRef<PartitionMessage>,
    if_dropped: Option<PartitionMessage>,
}

impl Report {
    fn send(mut self, message: PartitionMessage) {
        self.if_dropped = None;
        // A stopped actor has answered its callers already.
        drop(self.actor.send_message(message));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(message) = self.if_dropped.take() {
            drop(self.actor.send_message(message));
        }
    }
}

impl Actor for PartitionActor {
    type Msg = PartitionMessage;
    type State = Driver;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<PartitionMessage>,
        shared: Arc<Shared>,
    ) -> Result<Driver, ActorProcessingErr> {
        let reader = TimedReader(Arc::clone(&shared));
        let core = PartitionCore::new(shared.core_options(), Box::new(reader));
        let mut driver = Driver {
            shared,
            core,
            myself,
            n_tickets: 0,
            waiting: BTreeMap::new(),
            reads: BTreeMap::new(),
            workers: BTreeMap::new(),
            wake_up: None,
        };
        driver.take_up();
        Ok(driver)
    }

    async fn handle(
        &self,
        _myself: ActorRef<PartitionMessage>,
        message: PartitionMessage,
        driver: &mut Driver,
    ) -> Result<(), ActorProcessingErr> {
        driver.handle(message);
        driver.shared.count_handled();
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<PartitionMessage>,
        driver: &mut Driver,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(wake_up) = driver.wake_up.take() {
            wake_up.abort();
        }
        Ok(())
    }
}

impl Driver {
    /// Tells a new core what the node knows already: catalog, leadership, workers. After a failure this is how the
    /// partition goes on.
    fn take_up(&mut self) {
        if let Some(catalog) = self.shared.catalog.load_full() {
            self.give(Input::CatalogOffered(catalog));
        }
        if self.shared.leads() {
            self.give(Input::LeadershipGained);
        }
        for (subscription, hand_overs) in self.shared.subscriptions() {
            self.workers.insert(subscription.worker, hand_overs);
            self.give(Input::Subscribe(subscription));
        }
    }

    #[tracing::instrument(
        level = "debug",
        name = "partition",
        skip_all,
        fields(partition_id = self.shared.options.partition.get())
    )]
    fn handle(&mut self, message: PartitionMessage) {
        match message {
            PartitionMessage::Submit {
                commands,
                order,
                answers,
                permit,
            } => {
                let ticket = self.next_ticket();
                self.waiting.insert(
                    ticket,
                    Waiting {
                        answers,
                        _permit: permit,
                    },
                );
                self.give(Input::Submit {
                    ticket,
                    commands,
                    order,
                });
            }
            // Without a session there is nothing in flight that a read would have to wait for.
            PartitionMessage::Read(done) if self.shared.door.intake() == Intake::Nothing => {
                self.read_past_the_core(done);
            }
            PartitionMessage::Read(done) => {
                let ticket = self.next_ticket();
                self.reads.insert(ticket, done);
                self.give(Input::Read { ticket });
            }
            PartitionMessage::Proposed { proposal, result } => {
                self.give(Input::Proposed { proposal, result });
            }
            PartitionMessage::Confirmed {
                confirmation,
                leads,
            } => {
                self.give(Input::LeadershipConfirmed {
                    confirmation,
                    leads,
                });
            }
            PartitionMessage::Subscribe {
                subscription,
                hand_overs,
            } => {
                self.workers.insert(subscription.worker, hand_overs);
                self.give(Input::Subscribe(subscription));
            }
            PartitionMessage::Unsubscribe(worker) => {
                self.workers.remove(&worker);
                self.give(Input::Unsubscribe(worker));
            }
            PartitionMessage::Input(input) => self.give(*input),
            // Whoever asked may be gone: then nobody needs the answer.
            PartitionMessage::Status(status) => drop(status.send(self.core.status(self.now()))),
            PartitionMessage::Quarantine(commands) => {
                drop(commands.send(self.core.quarantined().cloned().collect()));
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.shared.options.clock.now()
    }

    const fn next_ticket(&mut self) -> TicketId {
        self.n_tickets += 1;
        TicketId(self.n_tickets)
    }

    fn give(&mut self, input: Input) {
        let monotonic = self.shared.options.clock.monotonic_now();
        for output in self.core.handle_at(input, self.now(), monotonic) {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Propose {
                proposal,
                entry,
                encoded,
            } => {
                let size_bytes = encoded.len();
                let propose = tracing::debug_span!("propose", proposal_id = proposal.0, size_bytes);
                let _inside = propose.entered();
                tracing::debug!("entry proposed");
                let result = ProposeResult::Lost;
                let report = self.report(PartitionMessage::Proposed { proposal, result });
                let done: ProposalDone = Box::new(move |result| {
                    report.send(PartitionMessage::Proposed { proposal, result });
                });
                if self.shared.door.intake() == Intake::Nothing {
                    done(ProposeResult::Refused(
                        "DISK_LOW: the node's disk is nearly full".to_owned(),
                    ));
                } else {
                    self.shared.options.journal.propose(entry, encoded, done);
                }
            }
            Output::Reply { ticket, answers } => {
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    drop(waiting.answers.send(answers));
                }
            }
            Output::ReadProven { ticket, result } => {
                if let Some(read) = self.reads.remove(&ticket) {
                    drop(read.send(result));
                }
            }
            Output::ConfirmLeadership(confirmation) => {
                let confirmed = move |leads| PartitionMessage::Confirmed {
                    confirmation,
                    leads,
                };
                let report = self.report(confirmed(false));
                let done = Box::new(move |leads| report.send(confirmed(leads)));
                self.shared.options.journal.confirm_leadership(done);
            }
            Output::HandOver(hand_over) => self.hand_over(hand_over),
            Output::WakeAt(at) => self.wake_at(at),
            Output::Stopped { reason } => {
                tracing::error!(
                    partition_id = self.shared.options.partition.get(),
                    reason,
                    "partition stopped"
                );
                self.shared.set_stopped(reason);
            }
        }
    }

    /// Proves leadership without the core, which has no session while nothing may be written.
    fn read_past_the_core(&self, read: oneshot::Sender<Result<(), Refusal>>) {
        let done = Box::new(move |leads: bool| {
            let result = if leads {
                Ok(())
            } else {
                Err(Refusal::NotLeader)
            };
            drop(read.send(result));
        });
        self.shared.options.journal.confirm_leadership(done);
    }

    fn report(&self, if_dropped: PartitionMessage) -> Report {
        Report {
            actor: self.myself.clone(),
            if_dropped: Some(if_dropped),
        }
    }

    /// Gives the effect to the worker's stream. A worker that is gone or full does not get it: it is given back, by a
    /// message, since other outputs are being carried out.
    fn hand_over(&self, hand_over: HandOver) {
        let unsent = match self.workers.get(&hand_over.worker) {
            Some(worker) => worker
                .try_send(hand_over)
                .err()
                .map(TrySendError::into_inner),
            None => Some(hand_over),
        };
        if let Some(unsent) = unsent {
            tracing::debug!("an effect was not handed over: its worker is gone or full");
            let unsent = Input::Unsent(Box::new(unsent));
            drop(
                self.myself
                    .send_message(PartitionMessage::Input(Box::new(unsent))),
            );
        }
    }

    /// One timer, re-armed: the newest instant replaces the one before.
    fn wake_at(&mut self, at: Timestamp) {
        if let Some(before) = self.wake_up.take() {
            before.abort();
        }
        let pause_ms = u64::try_from(at.since(self.now()).ms()).unwrap_or(0);
        let actor = self.myself.clone();
        self.wake_up = Some(self.shared.options.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            drop(actor.send_message(PartitionMessage::Input(Box::new(Input::Wake))));
        }));
    }
}
