//! Answers on their way out: collected per submission, and held back until what they depend on is proven.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::Command;
use journey_types::{BatchNumber, CustomerEvent, CustomerKey, Lsn};

use crate::core::api::{Answer, ConfirmationId, Output, Refusal, TicketId};
use crate::core::order::{SubmissionOrder, key_of};

/// An answer that may not leave yet.
#[derive(Debug)]
pub(crate) enum Held {
    /// The answer to one command.
    Command {
        ticket: TicketId,
        position: usize,
        answer: Answer,
        /// The batch in flight that it was decided on; `None` where nothing was.
        after: Option<BatchNumber>,
    },
    /// A linearizable read.
    Read { ticket: TicketId },
}

impl Held {
    /// The batch without which it is not true.
    pub(crate) const fn after(&self) -> Option<BatchNumber> {
        match self {
            Self::Command { after, .. } => *after,
            Self::Read { .. } => None,
        }
    }
}

#[derive(Debug)]
struct Ticket {
    answers: Vec<Option<Answer>>,
    n_open: usize,
    /// The order to break when a command of it may be sent again, and the events of the commands.
    order: Option<(SubmissionOrder, Vec<Option<Arc<CustomerEvent>>>)>,
}

/// Submissions not yet answered in full.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    tickets: BTreeMap<TicketId, Ticket>,
    /// Answers without facts: they wait for the next batch of the session, which proves every batch before it, or for
    /// the next proof of leadership and the batch they were decided on.
    unproven: Vec<Held>,
    /// The proof under way, and the answers that came before it was asked for.
    confirming: Option<(ConfirmationId, Vec<Held>)>,
    n_confirmations: u64,
}

impl Replies {
    /// Begins a submission; one without commands is answered at once.
    pub(crate) fn open(
        &mut self,
        ticket: TicketId,
        commands: &[(CustomerKey, Command)],
        order: Option<SubmissionOrder>,
        outputs: &mut Vec<Output>,
    ) {
        let n_commands = commands.len();
        if n_commands == 0 {
            let answers = Vec::new();
            outputs.push(Output::Reply { ticket, answers });
            return;
        }
        let answers = vec![None; n_commands];
        let n_open = n_commands;
        let event_of = |(_, command): &(_, Command)| command.event().map(|(it, _)| Arc::clone(it));
        let order = order.map(|order| (order, commands.iter().map(event_of).collect()));
        let opened = Ticket {
            answers,
            n_open,
            order,
        };
        let before = self.tickets.insert(ticket, opened);
        assert!(before.is_none(), "ticket {ticket:?} was used twice");
    }

    /// Gives one answer out.
    pub(crate) fn answer(
        &mut self,
        ticket: TicketId,
        position: usize,
        answer: Answer,
        outputs: &mut Vec<Output>,
    ) {
        let Some(open) = self.tickets.get_mut(&ticket) else {
            return;
        };
        let place = &mut open.answers[position];
        assert!(
            place.is_none(),
            "command {position} of ticket {ticket:?} was answered twice"
        );
        if let Answer::Refused(refusal) = &answer
            && refusal.is_retryable()
            // What is refused because of a break is not the event to send first.
            && *refusal != Refusal::RetryInOrder
            && let Some((order, events)) = &open.order
        {
            order.break_at(ticket, position, events[position].as_deref().map(key_of));
        }
        *place = Some(answer);
        open.n_open -= 1;
        if open.n_open > 0 {
            return;
        }
        let open = self.tickets.remove(&ticket).expect("found above");
        let answers = open.answers.into_iter().flatten().collect();
        outputs.push(Output::Reply { ticket, answers });
    }

    /// Whether a command may not be decided any more, because one before it in its order failed meanwhile.
    pub(crate) fn is_out_of_order(&self, ticket: TicketId, position: usize) -> bool {
        let order = self
            .tickets
            .get(&ticket)
            .and_then(|open| open.order.as_ref());
        order.is_some_and(|(order, _)| order.is_broken_before(ticket, position))
    }

    /// Gives a held answer out: what it depends on is applied as valid, at `applied` or before.
    pub(crate) fn release(&mut self, held: Held, applied: Lsn, outputs: &mut Vec<Output>) {
        match held {
            Held::Command {
                ticket,
                position,
                answer,
                ..
            } => {
                let answer = match answer {
                    Answer::Done { reply, .. } => Answer::Done {
                        reply,
                        lsn: applied,
                    },
                    other @ (Answer::Rejected(_) | Answer::Refused(_)) => other,
                };
                self.answer(ticket, position, answer, outputs);
            }
            Held::Read { ticket } => {
                let result = Ok(());
                outputs.push(Output::ReadProven { ticket, result });
            }
        }
    }

    /// Refuses what was held: what it depends on is not, or not known to be, applied.
    pub(crate) fn refuse(&mut self, held: Held, refusal: Refusal, outputs: &mut Vec<Output>) {
        match held {
            Held::Command {
                ticket, position, ..
            } => {
                self.answer(ticket, position, Answer::Refused(refusal), outputs);
            }
            Held::Read { ticket } => {
                let result = Err(refusal);
                outputs.push(Output::ReadProven { ticket, result });
            }
        }
    }

    /// Holds an answer without facts.
    pub(crate) fn hold(&mut self, held: Held) {
        self.unproven.push(held);
    }

    /// The answers that a batch proposed now proves when it is applied.
    pub(crate) fn take_unproven(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.unproven)
    }

    /// Asks for proof of leadership when answers wait and none is under way.
    pub(crate) fn begin_confirmation(&mut self) -> Option<ConfirmationId> {
        if self.unproven.is_empty() || self.confirming.is_some() {
            return None;
        }
        self.n_confirmations += 1;
        let confirmation = ConfirmationId(self.n_confirmations);
        self.confirming = Some((confirmation, std::mem::take(&mut self.unproven)));
        Some(confirmation)
    }

    /// The answers that waited for this proof; `None` when it is not the one under way.
    pub(crate) fn end_confirmation(&mut self, confirmation: ConfirmationId) -> Option<Vec<Held>> {
        let (_, held) = self
            .confirming
            .take_if(|(under_way, _)| *under_way == confirmation)?;
        Some(held)
    }

    /// Everything held here, as a session ends.
    pub(crate) fn take_all(&mut self) -> Vec<Held> {
        let confirming = self.confirming.take().map(|(_, held)| held);
        let mut held = confirming.unwrap_or_default();
        held.append(&mut self.unproven);
        held
    }
}
