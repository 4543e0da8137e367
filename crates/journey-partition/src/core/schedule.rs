//! Which turn comes next: workspaces with mail in turn, in each its customers round-robin; timers in between, both within
//! the bounds of a batch.

use std::sync::Arc;

use journey_codec::{Batch, JournalEntry, Turn};
use journey_customer::Command;
use journey_types::{TimeSpan, Timestamp};

use crate::core::PartitionCore;
use crate::core::api::{Output, Refusal};
use crate::core::batch::{DecidedTurn, InFlight, OpenBatch, turn_size_bytes};
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Lifecycle, Mail, Origin};
use crate::core::limits::{
    CLOCK_LOOK, CREDIT_POLL, ENTRY_SIZE_BYTES_MAX, PROPOSALS_IN_FLIGHT_MAX, TURNS_PER_CALL_MAX,
};
use crate::core::session::Leadership;
use crate::decided::DecidedEntry;
use crate::error::PartitionError;

/// A timer due at D fires in a turn stamped later, and stamps are whole milliseconds.
const ONE_STAMP: TimeSpan = TimeSpan::from_ms(1);

impl PartitionCore {
    /// Decides and proposes as much as may be in flight.
    pub(crate) fn run(&mut self, now: Timestamp) {
        self.has_more = false;
        self.activations.begin_call(now);
        let waits_for_reads = self.customers.queue_read(self.activations.n_left());
        self.activations.note(waits_for_reads);
        self.advance_session(now);
        let mut turns_left = TURNS_PER_CALL_MAX;
        while self.may_decide() {
            match self.fill_batch(now, &mut turns_left) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.stop(&with_sources(&error));
                    return;
                }
            }
        }
    }

    /// Arranges what is left at the end of a call: proof for answers that wait, and the next wake.
    pub(crate) fn finish(&mut self, now: Timestamp) {
        let is_leading = matches!(self.leadership, Leadership::Leading(_));
        if is_leading && let Some(confirmation) = self.replies.begin_confirmation() {
            self.counters.n_confirmations += 1;
            self.outputs.push(Output::ConfirmLeadership(confirmation));
        }
        if self.customers.needs_room()
            && let Some(room_size_bytes) = self.reader.room_size_bytes()
        {
            self.customers.share_room(room_size_bytes);
        }
        let (for_number, for_memory) = self.customers.passivate(self.clock.peek(now));
        self.counters.n_passivations_for_number += for_number;
        self.counters.n_passivations_for_memory += for_memory;
        let paced = self.activations.goes_on_at(now);
        let at = match (self.next_wake(now), paced) {
            (None, None) => return,
            (Some(at), None) => at.max(now),
            // What is due by now waits for a read.
            (Some(at), Some(paced)) if at > now => at.min(paced),
            (_, Some(paced)) => paced,
        };
        if self.wake_at.is_none_or(|asked_for| at < asked_for) {
            self.wake_at = Some(at);
            self.outputs.push(Output::WakeAt(at));
        }
    }

    fn may_decide(&self) -> bool {
        match &self.leadership {
            Leadership::Leading(session) => {
                !session.is_adopting && self.in_flight.len() < PROPOSALS_IN_FLIGHT_MAX
            }
            Leadership::Follower
            | Leadership::Waiting { .. }
            | Leadership::Opening { .. }
            | Leadership::Stopped { .. } => false,
        }
    }

    /// Decides turns into one batch and proposes it; answers whether there was anything to propose.
    fn fill_batch(
        &mut self,
        now: Timestamp,
        turns_left: &mut usize,
    ) -> Result<bool, PartitionError> {
        self.load_timers(now)?;
        self.load_offers()?;
        self.begin_claims(now);
        let mut batch = self.open_batch();
        let mut last = None;
        while !batch.is_full() {
            if *turns_left == 0 {
                self.has_more = true;
                break;
            }
            *turns_left -= 1;
            let claim = last.and_then(|idx| self.claim_at_once(idx, now));
            let next = match claim {
                Some(claim) => Ok(Some(claim)),
                None => self.next_turn(&batch, now),
            };
            let (idx, mail) = match next {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => {
                    // What was decided goes the way of everything speculative.
                    self.propose(batch);
                    return Err(error);
                }
            };
            let decided = match self.turn(idx, mail, &batch, now) {
                Ok(decided) => decided,
                Err(error) => {
                    self.propose(batch);
                    return Err(error);
                }
            };
            last = decided.as_ref().map(|_| idx);
            let Some(decided) = decided else {
                continue;
            };
            let is_alone = !batch.fits(turn_size_bytes(&decided.0));
            if is_alone {
                self.propose(batch);
                batch = self.open_batch();
            }
            self.add(decided, &mut batch);
            if is_alone {
                break;
            }
        }
        Ok(self.propose(batch))
    }

    /// Sends a decided turn on its way with a batch; the customer may have its next turn at once.
    fn add(&mut self, (record, turn): (Turn, DecidedTurn), batch: &mut OpenBatch) {
        let idx = turn.customer;
        self.customers.get_mut(idx).sent(batch.number);
        batch.add(record, turn);
        self.go_on(idx);
    }

    fn open_batch(&self) -> OpenBatch {
        match &self.leadership {
            Leadership::Leading(session) => OpenBatch::new(session.id, session.next),
            Leadership::Follower
            | Leadership::Waiting { .. }
            | Leadership::Opening { .. }
            | Leadership::Stopped { .. } => unreachable!("turns are decided inside a session only"),
        }
    }

    fn next_turn(
        &mut self,
        batch: &OpenBatch,
        now: Timestamp,
    ) -> Result<Option<(HostedIdx, Mail)>, PartitionError> {
        let stamp = self.clock.peek(now);
        let is_timers_turn = self.is_timers_turn;
        self.is_timers_turn = !is_timers_turn;
        if is_timers_turn && let Some(fire) = self.next_fire(batch, stamp)? {
            return Ok(Some(fire));
        }
        match self.next_mail(batch, stamp)? {
            Some(mail) => Ok(Some(mail)),
            None if is_timers_turn => Ok(None),
            None => self.next_fire(batch, stamp),
        }
    }

    /// The customer whose timers fire next: workspaces in turn.
    fn next_fire(
        &mut self,
        batch: &OpenBatch,
        stamp: Timestamp,
    ) -> Result<Option<(HostedIdx, Mail)>, PartitionError> {
        if self.clock.held().is_some() || !batch.takes_fires() {
            return Ok(None);
        }
        while let Some(customer) = self.timers.next_due(stamp) {
            let hosted = self.customers.find(&customer);
            let is_at_hand = hosted.is_some_and(|idx| self.customers.get(idx).head.is_some());
            if !is_at_hand && !self.activations.takes_more() {
                return Ok(None);
            }
            self.timers.take(&customer);
            let idx = self.customers.host(&customer);
            match self.customers.get(idx).lifecycle {
                Lifecycle::Idle | Lifecycle::Ready | Lifecycle::AwaitingCommit => {}
                // Armed again when it is released.
                Lifecycle::Quarantined | Lifecycle::Passive => continue,
            }
            self.activate(idx)?;
            self.customers.touch(idx);
            if let Some(mail) = self.own_turn(idx, stamp) {
                return Ok(Some((idx, mail)));
            }
            let next_due_at = self.customers.get(idx).next_due_at;
            self.timers.arm(&customer, next_due_at);
        }
        Ok(None)
    }

    /// The next customer with mail. What is due of its own comes first, as far as the batch takes timers.
    fn next_mail(
        &mut self,
        batch: &OpenBatch,
        stamp: Timestamp,
    ) -> Result<Option<(HostedIdx, Mail)>, PartitionError> {
        while let Some(idx) = self.customers.next_ready() {
            if !self.may_activate(idx) {
                // Others, whose customers are in memory, need not wait for it.
                self.customers.queue_cold(idx);
                continue;
            }
            if let Err(error) = self.activate(idx) {
                self.customers.queue(idx);
                return Err(error);
            }
            if self.customers.get(idx).lifecycle == Lifecycle::Quarantined {
                self.refuse_mail_of_parked(idx);
            }
            let is_paused = self.customers.get(idx).is_paused();
            let may_fire = self.clock.held().is_none() && batch.takes_fires();
            if (is_paused || may_fire)
                && let Some(mail) = self.own_turn(idx, stamp)
            {
                return Ok(Some((idx, mail)));
            }
            let Some(mail) = self.customers.get_mut(idx).mailbox.pop_front() else {
                self.go_on(idx);
                continue;
            };
            if self.is_worth_deciding(idx, &mail) {
                return Ok(Some((idx, mail)));
            }
            self.go_on(idx);
        }
        Ok(None)
    }

    /// Whether a command taken from a mailbox is still to be decided; what waits for its answer is told otherwise.
    fn is_worth_deciding(&mut self, idx: HostedIdx, mail: &Mail) -> bool {
        match mail.origin {
            Origin::Worker { worker, effect } => {
                self.n_claims_waiting -= 1;
                let claims = &mut self.customers.get_mut(idx).claims;
                claims.retain(|claimed| *claimed != effect);
                let is_subscribed = self.workers.get(worker).is_some();
                if !is_subscribed {
                    self.offer_again(idx);
                }
                is_subscribed
            }
            Origin::Caller { ticket, position } => {
                let is_out_of_order = self.replies.is_out_of_order(ticket, position);
                if is_out_of_order {
                    self.answer_now(mail.origin, Refusal::RetryInOrder);
                }
                !is_out_of_order
            }
            Origin::Core | Origin::Unsent => true,
        }
    }

    /// What a customer has to do by itself at that stamp, before anything is asked of it.
    fn own_turn(&self, idx: HostedIdx, stamp: Timestamp) -> Option<Mail> {
        let hosted = self.customers.get(idx);
        let command = if hosted.lifecycle == Lifecycle::Quarantined {
            return None;
        } else if hosted.is_paused() {
            Command::ContinueTurn
        } else if hosted.next_due_at.is_some_and(|due_at| due_at < stamp) {
            Command::FireTimers
        } else {
            return None;
        };
        Some(Mail {
            command,
            origin: Origin::Core,
        })
    }

    fn load_timers(&mut self, now: Timestamp) -> Result<(), PartitionError> {
        let stamp = self.clock.peek(now);
        self.timers.look(stamp);
        if !self.timers.wants_more(stamp) {
            return Ok(());
        }
        let mut timers = std::mem::replace(&mut self.timers, crate::core::timers::TimerHeap::new());
        let loaded = timers.load(self.reader.as_ref(), stamp, &|customer| {
            self.is_ahead_of_rows(customer)
        });
        self.has_more |= timers.wants_more(stamp);
        self.timers = timers;
        loaded
    }

    /// Proposes a batch; answers whether there was anything to propose.
    fn propose(&mut self, batch: OpenBatch) -> bool {
        if batch.is_empty() {
            return false;
        }
        let OpenBatch {
            records,
            turns,
            writer,
            figures,
            ..
        } = batch;
        let encoded = writer.finish();
        assert!(
            encoded.len() <= ENTRY_SIZE_BYTES_MAX,
            "a turn that no entry can hold is quarantined, and others travel with it only below the target"
        );
        let Leadership::Leading(session) = &mut self.leadership else {
            unreachable!("turns are decided inside a session only");
        };
        let number = session.next;
        session.next = number.next();
        let session = session.id;
        let proposal = self.next_proposal(encoded.len());
        let entry = JournalEntry::Batch(Batch {
            session,
            number,
            records,
        });
        let after = turns.iter().map(|turn| Arc::clone(&turn.state)).collect();
        let entry = Arc::new(DecidedEntry::new(entry, after));
        let proven = self.replies.take_unproven();
        self.in_flight.push(InFlight {
            proposal,
            number,
            turns,
            figures,
            proven,
            adopts: None,
        });
        self.outputs.push(Output::Propose {
            proposal,
            entry,
            encoded,
        });
        true
    }

    /// The next instant at which there is something to do without any input.
    fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let session = self.session_retry_at();
        let look = self.clock.is_watched().then(|| now.plus(CLOCK_LOOK));
        let work = if self.has_more && self.may_decide() {
            Some(now)
        } else {
            None
        };
        let (mut timer, mut offer) = (None, None);
        if self.may_decide() {
            let is_held = self.clock.held().is_some();
            let due_at = if is_held {
                None
            } else {
                let load_at = self.timers.loads_at();
                self.timers.next_due_at().into_iter().chain(load_at).min()
            };
            timer = due_at.map(|due_at| due_at.plus(ONE_STAMP));
            let from = self.offers.next_from();
            // What may be claimed already waits for credit.
            offer = from.map(|from| {
                if from > now {
                    from
                } else {
                    now.plus(CREDIT_POLL)
                }
            });
        }
        [session, look, work, timer, offer]
            .into_iter()
            .flatten()
            .min()
    }
}

/// An error with what is behind it, in one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
