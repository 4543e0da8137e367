//! One turn of one customer: decided behind a guard that turns a panic into a quarantined command.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use journey_codec::{BatchWriter, Record, Turn};
use journey_customer::{
    Command, CustomerState, DecideContext, Decision, JournalEvent, Lookup, Rejection, Reply,
    RowsOfIds, look_up_id,
};
use journey_types::{BatchNumber, CustomerKey, SessionId, Timestamp};

use crate::core::PartitionCore;
use crate::core::api::{Answer, Refusal};
use crate::core::batch::{DecidedTurn, OpenBatch, facts_size_bytes};
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Lifecycle, Mail, Origin};
use crate::core::limits::{
    BATCH_SIZE_BYTES_TARGET, CLAIM_SPAN_DEFAULT, ENTRY_OVERHEAD_BYTES, ENTRY_SIZE_BYTES_MAX,
    IDLE_FIRE_PAUSE, REFUSED_CLAIM_PAUSE,
};
use crate::core::quarantine::panic_text;
use crate::core::schedule::with_sources;
use crate::core::supervision::Panicked;
use crate::error::PartitionError;

/// The zone of workspaces: none can be set yet.
const WORKSPACE_ZONE: &str = "UTC";

impl PartitionCore {
    /// Decides one command of one customer on its head; a turn with facts, which becomes the head, is answered.
    ///
    /// # Errors
    /// When rows of event ids have to be read for it and cannot be; the command's caller has its answer then.
    #[tracing::instrument(
        level = "debug",
        name = "decide",
        skip_all,
        fields(customer_id = %self.customers.get(idx).key.customer)
    )]
    pub(crate) fn turn(
        &mut self,
        idx: HostedIdx,
        mail: Mail,
        batch: &OpenBatch,
        now: Timestamp,
    ) -> Result<Option<(Turn, DecidedTurn)>, PartitionError> {
        let state = self.customers.get(idx).head.clone();
        let state = state.expect("a customer is activated before its turn");
        let stamp = self.clock.stamp(now);
        let Mail { command, origin } = mail;
        let command = self.complete(command, origin, &state, stamp);
        let turn_stamp = match &state.paused_turn {
            Some(paused) => paused.stamp,
            // A clock that went back between two leaders never takes a customer back.
            None => stamp.max(state.stamp),
        };
        let rows_of_ids = match self.rows_of_ids(&state, &command, turn_stamp) {
            Ok(rows) => rows,
            Err(error) => {
                let reason = with_sources(&error);
                self.answer_now(origin, Refusal::Stopped { reason });
                return Err(error);
            }
        };
        let set_aside_has_room = self.has_room_for(&command, &state, stamp);
        let context = DecideContext {
            stamp: turn_stamp,
            catalog: &self.catalog,
            cluster_key: &self.options.cluster_key,
            birth: batch.birth(),
            workspace_zone: WORKSPACE_ZONE,
            delivery: &self.options.delivery,
            set_aside_has_room,
            rows_of_ids,
        };
        self.counters.n_turns += 1;
        tracing::debug!(stamp_ms = turn_stamp.unix_ms(), "turn begun");
        let decide = self.options.decide;
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let decided = decide(&state, &command, &context);
            let changes = decided
                .as_ref()
                .is_ok_and(|decision| !decision.events.is_empty());
            // Otherwise it would be tried again for ever, before anything else of that customer.
            assert!(
                changes || !matches!(command, Command::ContinueTurn),
                "a paused turn did not go on"
            );
            decided
        }));
        let failed = match &decided {
            Err(panic) => Some(panic_text(panic.as_ref())),
            Ok(Ok(decision)) => too_large(&state.key, &decision.events),
            Ok(Err(_)) => None,
        };
        if let Some(reason) = failed {
            let parks = self.customers.get_mut(idx).strike(stamp);
            let kept = self.decide_quarantine(&state, (&command, parks), &reason, context);
            let panicked = Panicked {
                mail: Mail { command, origin },
                reason,
                stamp,
            };
            return Ok(self.turn_panicked(idx, panicked, kept));
        }
        Ok(match decided {
            // Told by what failed.
            Err(_) => None,
            Ok(Err(rejection)) => {
                self.turn_rejected(idx, origin, rejection, stamp);
                None
            }
            Ok(Ok(decision)) if decision.events.is_empty() => {
                self.turn_changed_nothing(idx, origin, decision, stamp);
                None
            }
            Ok(Ok(decision)) => Some(self.turn_decided(idx, Mail { command, origin }, decision)),
        })
    }

    /// Asks rows for the event id that the command brings, where the state alone does not tell whether it is new.
    fn rows_of_ids(
        &mut self,
        state: &CustomerState,
        command: &Command,
        stamp: Timestamp,
    ) -> Result<RowsOfIds, PartitionError> {
        let found = look_up_id(state, command, &self.options.cluster_key, stamp);
        let (fingerprint, places) = match found {
            None => return Ok(RowsOfIds::NotAsked),
            Some((_, Lookup::Known)) => return Ok(RowsOfIds::NotNeeded { is_known: true }),
            Some((_, Lookup::New)) => return Ok(RowsOfIds::NotNeeded { is_known: false }),
            Some((fingerprint, Lookup::Rows(places))) => (fingerprint, places),
        };
        self.counters.n_id_reads += 1;
        let accepted_at = self.reader.accepted_at(&state.key, &fingerprint, &places)?;
        Ok(RowsOfIds::Asked(accepted_at))
    }

    /// Whether the customer is in memory or may be read from rows now.
    pub(crate) fn may_activate(&mut self, idx: HostedIdx) -> bool {
        self.customers.get(idx).head.is_some() || self.activations.takes_more()
    }

    /// The customer's state to decide on, loaded when it is not in memory.
    pub(crate) fn activate(
        &mut self,
        idx: HostedIdx,
    ) -> Result<Arc<CustomerState>, PartitionError> {
        let hosted = self.customers.get(idx);
        if let Some(head) = &hosted.head {
            return Ok(Arc::clone(head));
        }
        let loaded = self.reader.load(&hosted.key)?;
        if loaded.was_read {
            self.activations.loaded();
            self.counters.n_cold_activations += 1;
        }
        let unborn = || Arc::new(CustomerState::new(hosted.key.clone()));
        let state = loaded.state.unwrap_or_else(unborn);
        self.customers.measure(idx, &state);
        drop(self.customers.get_mut(idx).set_head(Arc::clone(&state)));
        self.counters.n_activations += 1;
        Ok(state)
    }

    /// Fills in what only the turn's stamp tells.
    fn complete(
        &self,
        command: Command,
        origin: Origin,
        state: &CustomerState,
        stamp: Timestamp,
    ) -> Command {
        match (command, origin) {
            (Command::Claim { effect, .. }, Origin::Worker { worker, .. }) => {
                let worker = self.workers.get(worker);
                let span = worker.map_or(CLAIM_SPAN_DEFAULT, |worker| worker.claim_span);
                Command::Claim {
                    effect,
                    until: stamp.plus(span),
                    worker: worker.map_or(String::new(), |worker| worker.name.clone()),
                }
            }
            (
                Command::Settle {
                    birth,
                    effect,
                    attempt,
                    outcome,
                },
                _,
            ) => {
                let outcome = self.paused(outcome, (state, birth, effect, attempt), stamp);
                Command::Settle {
                    birth,
                    effect,
                    attempt,
                    outcome,
                }
            }
            (command, _) => command,
        }
    }

    pub(crate) fn turn_decided(
        &mut self,
        idx: HostedIdx,
        mail: Mail,
        decision: Decision,
    ) -> (Turn, DecidedTurn) {
        let Decision {
            events,
            state,
            reply,
            condition_errors,
        } = decision;
        self.counters.count_condition_errors(condition_errors);
        let customer = state.key.clone();
        let turn = Turn { customer, events };
        let state = Arc::new(state);
        let hosted = self.customers.get_mut(idx);
        let sequence_before = hosted
            .head
            .as_ref()
            .map_or(0, |head| head.last_sequence.get());
        assert!(
            state.last_sequence.get() == sequence_before + turn.events.len() as u64,
            "a decision's state is the state before it plus its facts"
        );
        let before = hosted.set_head(Arc::clone(&state));
        self.timers.arm(&hosted.key, hosted.next_due_at);
        self.offers.update(&state, Timestamp::EPOCH, &hosted.claims);
        let decided = DecidedTurn {
            customer: idx,
            state,
            _before: before,
            mail,
            reply,
            turn_at: self.monotonic,
        };
        (turn, decided)
    }

    fn turn_changed_nothing(
        &mut self,
        idx: HostedIdx,
        origin: Origin,
        decision: Decision,
        stamp: Timestamp,
    ) {
        self.counters
            .count_condition_errors(decision.condition_errors);
        match decision.reply {
            Reply::Duplicate => self.counters.n_duplicates += 1,
            Reply::Fired { .. } => self.counters.n_idle_fires += 1,
            Reply::Accepted
            | Reply::Enrolled { .. }
            | Reply::NotEnrolled { .. }
            | Reply::Continued
            | Reply::Claimed { .. }
            | Reply::Withdrawn { .. }
            | Reply::Recorded
            | Reply::Settled
            | Reply::Replayed { .. }
            | Reply::Discarded
            | Reply::Quarantined { .. }
            | Reply::Parked
            | Reply::Released { .. } => {}
        }
        self.rest(idx, origin, stamp);
        let answer = Answer::Done {
            reply: decision.reply,
            lsn: self.applied,
        };
        self.answer_when_proven(idx, origin, answer);
    }

    fn turn_rejected(
        &mut self,
        idx: HostedIdx,
        origin: Origin,
        rejection: Rejection,
        stamp: Timestamp,
    ) {
        self.counters.n_rejected += 1;
        self.rest(idx, origin, stamp);
        self.answer_when_proven(idx, origin, Answer::Rejected(rejection));
    }

    /// After a turn without facts: the customer is as before it, and what led to the turn is not tried again at once.
    fn rest(&mut self, idx: HostedIdx, origin: Origin, stamp: Timestamp) {
        match origin {
            // An effect that is not given back is one whose claim does not stand any more.
            Origin::Caller { .. } | Origin::Unsent => {}
            Origin::Core => {
                let hosted = self.customers.get_mut(idx);
                let not_before = stamp.plus(IDLE_FIRE_PAUSE);
                hosted.next_due_at = Some(not_before);
                self.timers.postpone(&hosted.key, not_before);
            }
            Origin::Worker { worker, .. } => {
                self.counters.n_claims_refused += 1;
                self.give_credit_back(worker);
                let hosted = self.customers.get(idx);
                if let Some(state) = &hosted.head {
                    let not_before = stamp.plus(REFUSED_CLAIM_PAUSE);
                    self.offers.update(state, not_before, &hosted.claims);
                }
            }
        }
        self.go_on(idx);
    }

    /// Lets a customer have its next turn, when something waits for it.
    pub(crate) fn go_on(&mut self, idx: HostedIdx) {
        if self.customers.get(idx).lifecycle == Lifecycle::Quarantined {
            self.refuse_mail_of_parked(idx);
            self.customers.queue(idx);
            return;
        }
        let hosted = self.customers.get_mut(idx);
        hosted.lifecycle = hosted.at_rest();
        if hosted.is_paused() || !hosted.mailbox.is_empty() {
            self.customers.queue(idx);
        }
    }

    /// Whether the customer is one whose timers must not be armed from rows: its head is ahead of them, or it is parked.
    pub(crate) fn is_ahead_of_rows(&self, customer: &CustomerKey) -> bool {
        let hosted = self
            .customers
            .find(customer)
            .map(|idx| self.customers.get(idx));
        hosted.is_some_and(|hosted| {
            hosted.n_in_flight > 0 || hosted.lifecycle == Lifecycle::Quarantined
        })
    }
}

/// Why no entry can hold a turn, if none can. Only a large turn is encoded for it: the estimate is about right.
fn too_large(customer: &CustomerKey, events: &[JournalEvent]) -> Option<String> {
    if facts_size_bytes(customer, events) <= BATCH_SIZE_BYTES_TARGET {
        return None;
    }
    let mut writer = BatchWriter::new(SessionId::default(), BatchNumber::default());
    let (customer, events) = (customer.clone(), events.to_vec());
    writer.push(&Record::Turn(Turn { customer, events }));
    let size_bytes = writer.size_bytes() + ENTRY_OVERHEAD_BYTES;
    (size_bytes > ENTRY_SIZE_BYTES_MAX).then(|| {
        format!(
            "its facts take {size_bytes} bytes, more than the {ENTRY_SIZE_BYTES_MAX} of an entry"
        )
    })
}
