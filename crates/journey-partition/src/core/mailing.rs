//! Commands on their way into mailboxes, and answers that need no deciding.

use journey_customer::Command;
use journey_types::CustomerKey;

use crate::core::PartitionCore;
use crate::core::api::{Answer, Output, Refusal, TicketId};
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Lifecycle, Mail, Origin};
use crate::core::order::SubmissionOrder;
use crate::core::replies::Held;
use crate::core::session::Leadership;

impl PartitionCore {
    pub(crate) fn submit(
        &mut self,
        ticket: TicketId,
        commands: Vec<(CustomerKey, Command)>,
        order: Option<SubmissionOrder>,
    ) {
        let is_broken = || order.as_ref().is_some_and(SubmissionOrder::is_broken);
        self.replies
            .open(ticket, &commands, order.clone(), &mut self.outputs);
        let refusal = self.refusal_of_role();
        for (position, (customer, command)) in commands.into_iter().enumerate() {
            let origin = Origin::Caller { ticket, position };
            // Looked at anew for each command: one that fails here holds back those behind it.
            let out_of_order = is_broken().then_some(Refusal::RetryInOrder);
            match refusal.as_ref().or(out_of_order.as_ref()) {
                Some(refusal) => self.answer_now(origin, refusal.clone()),
                None => self.deliver(&customer, Mail { command, origin }),
            }
        }
    }

    pub(crate) fn read(&mut self, ticket: TicketId) {
        match self.refusal_of_role() {
            Some(refusal) => {
                let result = Err(refusal);
                self.outputs.push(Output::ReadProven { ticket, result });
            }
            None => self.replies.hold(Held::Read { ticket }),
        }
    }

    /// Answers a command that was not decided and depends on nothing.
    pub(crate) fn answer_now(&mut self, origin: Origin, refusal: Refusal) {
        match origin {
            Origin::Caller { ticket, position } => {
                let answer = Answer::Refused(refusal);
                self.replies
                    .answer(ticket, position, answer, &mut self.outputs);
            }
            Origin::Worker { worker, .. } => self.give_credit_back(worker),
            Origin::Core | Origin::Unsent => {}
        }
    }

    /// Holds the answer to a command that changed nothing until leadership is proven and what it was decided on is
    /// applied.
    pub(crate) fn answer_when_proven(&mut self, idx: HostedIdx, origin: Origin, answer: Answer) {
        if let Origin::Caller { ticket, position } = origin {
            let after = self.customers.get(idx).head_batch;
            self.replies.hold(Held::Command {
                ticket,
                position,
                answer,
                after,
            });
        }
    }

    /// Refuses what waits for a parked customer, but its release.
    pub(crate) fn refuse_mail_of_parked(&mut self, idx: HostedIdx) {
        let hosted = self.customers.get_mut(idx);
        hosted.claims.clear();
        for mail in std::mem::take(&mut hosted.mailbox) {
            if is_for_parked(&mail.command) {
                self.customers.get_mut(idx).mailbox.push_back(mail);
            } else {
                self.n_claims_waiting -= usize::from(mail.is_claim());
                self.refuse_for_parked(idx, mail.origin);
            }
        }
    }

    /// The refusal is final, so it leaves only when the parking is applied.
    fn refuse_for_parked(&mut self, idx: HostedIdx, origin: Origin) {
        match origin {
            Origin::Caller { .. } => {
                let reason = self.customers.get(idx).parked_for();
                let answer = Answer::Refused(Refusal::CustomerParked { reason });
                self.answer_when_proven(idx, origin, answer);
            }
            Origin::Worker { worker, .. } => self.give_credit_back(worker),
            Origin::Core | Origin::Unsent => {}
        }
    }

    fn deliver(&mut self, customer: &CustomerKey, mail: Mail) {
        let idx = self.customers.host(customer);
        self.customers.touch(idx);
        let hosted = self.customers.get_mut(idx);
        let is_parked = hosted.lifecycle == Lifecycle::Quarantined;
        if is_parked && !is_for_parked(&mail.command) {
            self.refuse_for_parked(idx, mail.origin);
            return;
        }
        if hosted.has_room() {
            hosted.mailbox.push_back(mail);
            self.counters.mailbox_depth.record(hosted.mailbox.len());
            self.customers.queue(idx);
            return;
        }
        let n_waiting = hosted.mailbox.len();
        self.counters.n_hot_customer += 1;
        self.answer_now(mail.origin, Refusal::HotCustomer { n_waiting });
    }

    /// Why no command can be taken in at the moment. While a session opens commands are taken in and wait for it.
    fn refusal_of_role(&self) -> Option<Refusal> {
        match &self.leadership {
            Leadership::Follower => Some(Refusal::NotLeader),
            Leadership::Waiting {
                reason,
                retry_at: None,
                ..
            } => Some(Refusal::NoSession {
                reason: reason.clone(),
            }),
            Leadership::Stopped { reason } => Some(Refusal::Stopped {
                reason: reason.clone(),
            }),
            Leadership::Waiting { .. } | Leadership::Opening { .. } | Leadership::Leading(_) => {
                None
            }
        }
    }
}

/// Whether a parked customer takes the command.
const fn is_for_parked(command: &Command) -> bool {
    matches!(command, Command::Release)
}
