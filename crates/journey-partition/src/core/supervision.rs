//! What becomes of a customer whose turn panicked: the command is quarantined, the customer goes on from its state before
//! that turn, and at the third panic in a minute it is parked until an operator releases it.

use std::sync::Arc;

use journey_codec::Turn;
use journey_customer::{Command, CustomerState, Decision};
use journey_types::{CustomerKey, Timestamp};

use crate::core::PartitionCore;
use crate::core::api::{Answer, Refusal};
use crate::core::batch::DecidedTurn;
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Lifecycle, Mail, Origin};
use crate::core::limits::REFUSED_CLAIM_PAUSE;
use crate::core::schedule::with_sources;
use crate::core::session::Leadership;

/// A turn that panicked.
pub(crate) struct Panicked {
    pub(crate) mail: Mail,
    /// The text of the panic.
    pub(crate) reason: String,
    pub(crate) stamp: Timestamp,
}

impl PartitionCore {
    /// Drops what the turn was making and keeps the command where it can be read: `kept` is the turn that says so in the
    /// journal, to be answered when it is applied. Without one the command is kept in memory.
    pub(crate) fn turn_panicked(
        &mut self,
        idx: HostedIdx,
        panicked: Panicked,
        kept: Option<(Command, Decision)>,
        now: Timestamp,
    ) -> Option<(Turn, DecidedTurn)> {
        self.counters.n_quarantined += 1;
        let Panicked {
            mail: Mail { command, origin },
            reason,
            stamp,
        } = panicked;
        if let Some((command, decision)) = kept {
            let hosted = self.customers.get_mut(idx);
            let is_parked = hosted.strike(stamp, reason.clone());
            let kept = self.turn_decided(idx, Mail { command, origin }, decision, now);
            let head = self.customers.get(idx).head.clone();
            if is_parked {
                self.park(idx, &reason);
            } else if let Some(head) = head {
                // What led to the panic is tried again, but not in this stamp.
                self.arm_and_offer(idx, &head, stamp);
            }
            return kept;
        }
        self.answer_quarantined(idx, origin, &reason);
        let hosted = self.customers.get_mut(idx);
        let customer = hosted.key.clone();
        let head = hosted.head.clone();
        if hosted.n_in_flight == 0 {
            // The next turn loads the committed state again. With turns on their way the head stays: the deciding only
            // borrowed it, and nothing else has what they made of it.
            hosted.forget_state();
        }
        let is_parked = hosted.strike(stamp, reason.clone());
        if let Origin::Worker { worker, .. } = origin {
            self.give_credit_back(worker);
        }
        let is_forgotten = self
            .quarantine
            .keep(customer, command, stamp, reason.clone());
        self.counters.n_quarantined_forgotten += u64::from(is_forgotten);
        if is_parked {
            self.park(idx, &reason);
            return None;
        }
        if let Some(head) = head {
            // What led to the panic is tried again, but not in this stamp.
            self.arm_and_offer(idx, &head, stamp);
        }
        self.go_on(idx);
        None
    }

    fn answer_quarantined(&mut self, idx: HostedIdx, origin: Origin, reason: &str) {
        let reason = reason.to_owned();
        let kept = None;
        let answer = Answer::Refused(Refusal::Quarantined { reason, kept });
        self.answer_when_proven(idx, origin, answer);
    }

    fn park(&mut self, idx: HostedIdx, reason: &str) {
        let hosted = self.customers.get_mut(idx);
        hosted.lifecycle = Lifecycle::Quarantined;
        hosted.claims.clear();
        self.timers.take(&hosted.key);
        self.offers.remove(&hosted.key);
        for mail in std::mem::take(&mut hosted.mailbox) {
            self.n_claims_waiting -= usize::from(mail.is_claim());
            let reason = reason.to_owned();
            self.answer_now(mail.origin, Refusal::CustomerParked { reason });
        }
    }

    /// Lets a parked customer go on.
    pub(crate) fn release_customer(&mut self, customer: &CustomerKey, now: Timestamp) {
        let Some(idx) = self.customers.find(customer) else {
            return;
        };
        let hosted = self.customers.get_mut(idx);
        if hosted.lifecycle != Lifecycle::Quarantined {
            return;
        }
        hosted.release();
        // Without a session there is nothing to arm: the next one loads all that is armed and offered.
        if !matches!(self.leadership, Leadership::Leading(_)) {
            return;
        }
        match self.activate(idx) {
            Ok(head) => {
                self.arm_and_offer(idx, &head, self.clock.peek(now));
                self.go_on(idx);
            }
            Err(error) => self.stop(&with_sources(&error)),
        }
    }

    fn arm_and_offer(&mut self, idx: HostedIdx, head: &Arc<CustomerState>, stamp: Timestamp) {
        match head.next_wake_at() {
            Some(due_at) if due_at < stamp => {
                self.customers.get_mut(idx).next_due_at = Some(stamp);
                self.timers.postpone(&head.key, stamp);
            }
            due_at => self.timers.arm(&head.key, due_at),
        }
        let claims = &self.customers.get(idx).claims;
        self.offers
            .update(head, stamp.plus(REFUSED_CLAIM_PAUSE), claims);
    }
}
