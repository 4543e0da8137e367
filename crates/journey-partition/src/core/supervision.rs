//! What becomes of a customer whose turn panicked: the command is quarantined, the customer goes on from its state before
//! that turn, and at the third panic in a minute it is parked until an operator releases it.

use std::sync::Arc;

use journey_codec::Turn;
use journey_customer::{Command, CustomerState, Decision};
use journey_types::Timestamp;

use crate::core::PartitionCore;
use crate::core::api::{Answer, Refusal};
use crate::core::batch::DecidedTurn;
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Mail, Origin};
use crate::core::limits::REFUSED_CLAIM_PAUSE;

/// A turn that panicked.
pub(crate) struct Panicked {
    pub(crate) mail: Mail,
    /// The text of the panic.
    pub(crate) reason: String,
    pub(crate) stamp: Timestamp,
}

impl PartitionCore {
    /// Drops what the turn was making and keeps the command where it can be read: `kept` is the turn that says so in the
    /// journal, to be answered when it is applied. Without one, or where it only parks the customer, the command is kept
    /// in memory.
    pub(crate) fn turn_panicked(
        &mut self,
        idx: HostedIdx,
        panicked: Panicked,
        kept: Option<(Command, Decision)>,
    ) -> Option<(Turn, DecidedTurn)> {
        self.counters.n_quarantined += 1;
        let Panicked {
            mail: Mail { command, origin },
            reason,
            stamp,
        } = panicked;
        let (kept, parking): (Option<_>, Option<_>) = match kept {
            Some(kept) if matches!(kept.0, Command::Quarantine { .. }) => (Some(kept), None),
            other => (None, other),
        };
        if let Some((command, decision)) = kept {
            let kept = self.turn_decided(idx, Mail { command, origin }, decision);
            let head = self.customers.get(idx).head.clone();
            self.try_again_later(idx, head, stamp);
            return Some(kept);
        }
        let answer = Refusal::Quarantined {
            reason: reason.clone(),
            kept: None,
        };
        self.answer_when_proven(idx, origin, Answer::Refused(answer));
        if let Origin::Worker { worker, .. } = origin {
            self.give_credit_back(worker);
        }
        let customer = self.customers.get(idx).key.clone();
        let is_forgotten = self.quarantine.keep(customer, command, stamp, reason);
        self.counters.n_quarantined_forgotten += u64::from(is_forgotten);
        if let Some((command, decision)) = parking {
            let origin = Origin::Core;
            return Some(self.turn_decided(idx, Mail { command, origin }, decision));
        }
        let hosted = self.customers.get_mut(idx);
        let head = hosted.head.clone();
        if hosted.n_in_flight == 0 {
            // The next turn loads the committed state again. With turns on their way the head stays: the deciding only
            // borrowed it, and nothing else has what they made of it.
            hosted.forget_state();
        }
        self.try_again_later(idx, head, stamp);
        self.go_on(idx);
        None
    }

    /// What led to a panic is tried again, but not in this stamp; of a parked customer not at all.
    fn try_again_later(
        &mut self,
        idx: HostedIdx,
        head: Option<Arc<CustomerState>>,
        stamp: Timestamp,
    ) {
        if let Some(head) = head.filter(|head| head.parked.is_none()) {
            self.arm_and_offer(idx, &head, stamp);
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
