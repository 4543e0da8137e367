//! What happens when the journal says that a batch was applied, or that this replica leads: answers and hand-overs
//! leave, customers go on.

use std::time::Instant;

use journey_customer::{Command, CustomerState, Reply};
use journey_types::{CustomerKey, Lsn, Timestamp};

use crate::core::PartitionCore;
use crate::core::api::{
    Answer, ConfirmationId, HandOver, Output, QuarantineEntry, Refusal, WorkerId,
};
use crate::core::batch::{DecidedTurn, InFlight};
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Lifecycle, Origin};
use crate::core::limits::HAND_OVER_AFTER_TURN_MAX;
use crate::core::session::Leadership;

impl PartitionCore {
    /// A batch of this session is applied as valid, and so is every one before it: the chain has no gap.
    pub(crate) fn batches_applied(&mut self, last: usize, lsn: Lsn) {
        self.applied = self.applied.max(lsn);
        for batch in self.in_flight.drain(..=last).collect::<Vec<_>>() {
            self.batch_applied(batch, lsn);
        }
    }

    fn batch_applied(&mut self, batch: InFlight, lsn: Lsn) {
        if let Some(catalog) = batch.adopts {
            self.catalog = catalog;
            if let Leadership::Leading(session) = &mut self.leadership {
                session.is_adopting = false;
            }
        }
        self.counters.of_facts.merge(&batch.figures);
        for held in batch.proven {
            self.replies.release(held, self.applied, &mut self.outputs);
        }
        for turn in batch.turns {
            self.turn_applied(turn, lsn);
        }
    }

    fn turn_applied(&mut self, turn: DecidedTurn, lsn: Lsn) {
        let DecidedTurn {
            customer: idx,
            state,
            mail,
            reply,
            turn_at,
            ..
        } = turn;
        self.customers.measure(idx, &state);
        let hosted = self.customers.get_mut(idx);
        hosted.arrived();
        if hosted.lifecycle == Lifecycle::AwaitingCommit {
            hosted.lifecycle = hosted.at_rest();
        }
        if hosted.n_in_flight == 0 && hosted.lifecycle != Lifecycle::Quarantined {
            self.index_committed(idx, &state);
        }
        match mail.origin {
            Origin::Core => self.counters.n_fires += u64::from(reply != Reply::Parked),
            Origin::Unsent => {}
            Origin::Caller { ticket, position } => {
                self.counters.n_accepted += u64::from(reply == Reply::Accepted);
                let answer = match (reply, mail.command) {
                    (Reply::Quarantined { birth, entry }, Command::Quarantine { reason, .. }) => {
                        let customer = state.key.clone();
                        let kept = Some(Box::new(QuarantineEntry {
                            customer,
                            birth,
                            entry,
                        }));
                        Answer::Refused(Refusal::Quarantined { reason, kept })
                    }
                    (reply, _) => Answer::Done { reply, lsn },
                };
                self.replies
                    .answer(ticket, position, answer, &mut self.outputs);
            }
            Origin::Worker { worker, .. } => {
                self.claim_applied((worker, reply), state.key.clone(), turn_at);
            }
        }
    }

    /// A worker's claim is applied: now its effect may go out, if that is still in time; otherwise it is given back.
    fn claim_applied(
        &mut self,
        (worker, reply): (WorkerId, Reply),
        customer: CustomerKey,
        turn_at: Instant,
    ) {
        let hand_over_by = turn_at + HAND_OVER_AFTER_TURN_MAX;
        let is_subscribed = self.workers.get(worker).is_some();
        match reply {
            Reply::Claimed { row } if is_subscribed && self.monotonic <= hand_over_by => {
                self.counters.n_handed_over += 1;
                self.outputs.push(Output::HandOver(HandOver {
                    worker,
                    customer,
                    row,
                    hand_over_by,
                }));
            }
            Reply::Claimed { row } => {
                self.give_credit_back(worker);
                self.give_back(&customer, &row);
            }
            Reply::Accepted
            | Reply::Duplicate
            | Reply::Enrolled { .. }
            | Reply::NotEnrolled { .. }
            | Reply::Fired { .. }
            | Reply::Continued
            | Reply::Withdrawn { .. }
            | Reply::Recorded
            | Reply::Settled
            | Reply::Replayed { .. }
            | Reply::Discarded
            | Reply::Quarantined { .. }
            | Reply::Parked
            | Reply::Released { .. } => self.give_credit_back(worker),
        }
    }

    /// What was armed and offered with the turn is in rows now. Where the heap or the index did not hold it, the rows
    /// are read for it, but maybe they were passed before it stood there: it is looked at once more.
    fn index_committed(&mut self, idx: HostedIdx, state: &CustomerState) {
        let hosted = self.customers.get(idx);
        let is_postponed = hosted.next_due_at != state.next_wake_at();
        if !is_postponed {
            self.timers.arm(&state.key, hosted.next_due_at);
        }
        if !state.outbox.is_empty() && !self.offers.holds(&state.key) {
            self.offers.update(state, Timestamp::EPOCH, &hosted.claims);
        }
    }

    /// Proof of leadership came, or came not.
    pub(crate) fn settle_confirmation(
        &mut self,
        confirmation: ConfirmationId,
        leads: bool,
        now: Timestamp,
    ) {
        let Some(waiting) = self.replies.end_confirmation(confirmation) else {
            return;
        };
        for held in waiting {
            if !leads {
                self.replies
                    .refuse(held, Refusal::OutcomeUnknown, &mut self.outputs);
                continue;
            }
            let mut in_flight = self.in_flight.iter_mut();
            match in_flight.find(|batch| Some(batch.number) == held.after()) {
                // Leadership is proven; what it was decided on is not applied yet.
                Some(batch) => batch.proven.push(held),
                None => self.replies.release(held, self.applied, &mut self.outputs),
            }
        }
        if !leads {
            self.end_session("leadership could not be proven", now);
        }
    }
}
