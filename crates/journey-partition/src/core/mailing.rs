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
            Origin::Core => {}
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

    fn deliver(&mut self, customer: &CustomerKey, mail: Mail) {
        let idx = self.customers.host(customer);
        self.customers.touch(idx);
        let hosted = self.customers.get_mut(idx);
        if hosted.lifecycle == Lifecycle::Quarantined {
            let reason = hosted.last_panic().to_owned();
            self.answer_now(mail.origin, Refusal::CustomerParked { reason });
            return;
        }
        if hosted.has_room() {
            hosted.mailbox.push_back(mail);
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
