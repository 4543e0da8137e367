//! What happens when the journal says that a batch was applied, or that this replica leads: answers and hand-overs
//! leave, customers go on.

use journey_customer::Reply;
use journey_types::{Lsn, Timestamp};

use crate::core::PartitionCore;
use crate::core::api::{Answer, ConfirmationId, HandOver, Output, Refusal};
use crate::core::batch::{DecidedTurn, InFlight};
use crate::core::hosted::{Lifecycle, Origin};
use crate::core::limits::HAND_OVER_AFTER_TURN_MAX;
use crate::core::session::Leadership;

impl PartitionCore {
    /// A batch of this session is applied as valid.
    pub(crate) fn batch_applied(&mut self, batch: InFlight, lsn: Lsn, now: Timestamp) {
        self.applied = self.applied.max(lsn);
        if let Some(catalog) = batch.adopts {
            self.catalog = catalog;
            if let Leadership::Leading(session) = &mut self.leadership {
                session.is_adopting = false;
            }
        }
        for held in batch.proven {
            self.replies.release(held, &mut self.outputs);
        }
        for turn in batch.turns {
            self.turn_applied(turn, lsn, now);
        }
    }

    fn turn_applied(&mut self, turn: DecidedTurn, lsn: Lsn, now: Timestamp) {
        let DecidedTurn {
            customer: idx,
            state,
            mail,
            reply,
            turn_at,
        } = turn;
        assert!(
            self.customers.get(idx).lifecycle == Lifecycle::AwaitingCommit,
            "only a customer that awaits its commit can get it"
        );
        self.customers.set_committed(idx, state);
        let hosted = self.customers.get_mut(idx);
        if let Origin::Worker { effect, .. } = mail.origin {
            hosted.claims.retain(|claimed| *claimed != effect);
        }
        self.timers.arm(&hosted.key, hosted.next_due_at);
        if let Some(state) = &hosted.committed {
            self.offers.update(state, Timestamp::EPOCH, &hosted.claims);
        }
        self.go_on(idx);
        match mail.origin {
            Origin::Core => self.counters.n_fires += 1,
            Origin::Caller { ticket, position } => {
                self.counters.n_accepted += u64::from(reply == Reply::Accepted);
                let answer = Answer::Done { reply, lsn };
                self.replies
                    .answer(ticket, position, answer, &mut self.outputs);
            }
            Origin::Worker { worker, .. } => {
                let customer = self.customers.get(idx).key.clone();
                let hand_over_by = turn_at.plus(HAND_OVER_AFTER_TURN_MAX);
                let is_subscribed = self.workers.get(worker).is_some();
                match reply {
                    Reply::Claimed { row } if is_subscribed && now <= hand_over_by => {
                        self.counters.n_handed_over += 1;
                        let hand_over = HandOver {
                            worker,
                            customer,
                            row,
                            hand_over_by,
                        };
                        self.outputs.push(Output::HandOver(hand_over));
                    }
                    Reply::Claimed { .. } => {
                        self.counters.n_claims_unused += 1;
                        self.give_credit_back(worker);
                    }
                    Reply::Accepted
                    | Reply::Duplicate
                    | Reply::Fired { .. }
                    | Reply::Continued
                    | Reply::Withdrawn { .. }
                    | Reply::Recorded
                    | Reply::Settled => self.give_credit_back(worker),
                }
            }
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
            if leads {
                self.replies.release(held, &mut self.outputs);
            } else {
                self.replies
                    .refuse(held, Refusal::OutcomeUnknown, &mut self.outputs);
            }
        }
        if !leads {
            self.end_session("leadership could not be proven", now);
        }
    }
}
