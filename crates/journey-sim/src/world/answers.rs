//! Every answer and every hand-over is held against what is applied at the instant at which it leaves.

use journey_customer::{Command, Reply};
use journey_partition::{Answer, HandOver, Refusal, TicketId};
use journey_types::CustomerKey;

use super::World;

impl World {
    /// Nothing but a refusal leaves before leadership is proven by what was asked for after the ticket came.
    fn check_proof(&mut self, ticket: TicketId, is_refused: bool) {
        let before = self
            .asked_before
            .remove(&ticket)
            .expect("each ticket is answered once");
        let is_proven = self.proven.proposal > before.proposal
            || self.proven.confirmation > before.confirmation;
        assert!(
            is_refused || is_proven,
            "{ticket:?} was answered without proof of leadership from after its arrival"
        );
    }

    pub(super) fn answered(&mut self, ticket: TicketId, answers: &[Answer]) {
        let is_refused = answers
            .iter()
            .all(|answer| matches!(answer, Answer::Refused(_)));
        self.check_proof(ticket, is_refused);
        let commands = self
            .waiting
            .remove(&ticket)
            .expect("each ticket is answered once");
        assert!(
            commands.len() == answers.len(),
            "{} commands got {answers:?}",
            commands.len()
        );
        if self.ordered.remove(&ticket) {
            self.ordered_answers.push((ticket, answers.to_vec()));
        }
        for ((customer, command), answer) in commands.into_iter().zip(answers) {
            if let Some(id) = self.oracle.id_of(&command)
                && !says_nothing_was_done(answer)
            {
                self.oracle.possibly_done.insert((customer.clone(), id));
            }
            self.command_answered(customer, command, answer);
        }
    }

    /// Holds an answer against what is applied at the instant at which it leaves.
    fn command_answered(&mut self, customer: CustomerKey, command: Command, answer: &Answer) {
        if let Answer::Done { lsn, .. } = answer {
            let applied = self.replica.lock().applied();
            assert!(
                *lsn <= applied,
                "an answer left at {applied} that depends on {lsn}"
            );
            self.oracle.told = self.oracle.told.max(*lsn);
        }
        let taken_in = self.oracle.id_of(&command);
        match (command, answer) {
            (
                Command::Ingest { .. } | Command::Enroll(_),
                Answer::Done {
                    reply: Reply::Accepted | Reply::Enrolled { .. },
                    lsn,
                },
            ) => {
                let id = (customer, taken_in.expect("it has an id"));
                assert!(
                    self.oracle.ingested_ids.contains(&id),
                    "{id:?} was answered `accepted` before it was applied"
                );
                let before = self.oracle.accepted.insert(id.clone(), *lsn);
                assert!(before.is_none(), "{id:?} was accepted twice");
            }
            (
                Command::Ingest { .. } | Command::Enroll(_),
                Answer::Done {
                    reply: Reply::Duplicate,
                    ..
                },
            ) => {
                let id = (customer, taken_in.expect("it has an id"));
                assert!(
                    self.oracle.ingested_ids.contains(&id),
                    "{id:?} was answered `duplicate` before its first was applied"
                );
                self.oracle.duplicates.insert(id);
            }
            (
                Command::Settle {
                    effect, attempt, ..
                },
                Answer::Done {
                    reply: Reply::Recorded,
                    ..
                },
            ) => {
                let settled = ((customer, effect), attempt);
                assert!(
                    self.oracle.settled.contains(&settled),
                    "{settled:?} was answered `recorded` before it was applied"
                );
                self.oracle.recorded.insert(settled);
            }
            (_, Answer::Done { .. } | Answer::Refused(_)) => {}
            (command, Answer::Rejected(rejection)) => {
                panic!("{command:?} was rejected: {rejection}")
            }
        }
    }

    /// A linearizable read sees whatever anyone was told before it arrived.
    pub(super) fn read_proven(&mut self, ticket: TicketId, result: &Result<(), Refusal>) {
        self.check_proof(ticket, result.is_err());
        let told = self
            .reading
            .remove(&ticket)
            .expect("each read is answered once");
        let applied = self.replica.lock().applied();
        assert!(
            result.is_err() || told <= applied,
            "a read was let go at {applied} though {told} had been told"
        );
    }

    pub(super) fn handed_over(&mut self, hand_over: HandOver) {
        let effect = (hand_over.customer.clone(), hand_over.row.effect);
        let claim = (effect.clone(), hand_over.row.attempt);
        assert!(
            self.oracle.claims.contains(&claim),
            "handed over without an applied claim: {claim:?}"
        );
        let attempts = self.oracle.hand_overs.entry(effect).or_default();
        assert!(
            attempts
                .last()
                .is_none_or(|last| *last < hand_over.row.attempt),
            "attempt {} handed over after {attempts:?}",
            hand_over.row.attempt
        );
        attempts.push(hand_over.row.attempt);
        if hand_over.worker == self.worker {
            self.at_worker.push_back(hand_over);
        }
    }
}

/// Whether the answer's words promise that the command had and will have no effect.
const fn says_nothing_was_done(answer: &Answer) -> bool {
    match answer {
        Answer::Done { reply, .. } => matches!(reply, Reply::NotEnrolled { .. }),
        Answer::Rejected(_) => true,
        Answer::Refused(refusal) => match refusal {
            Refusal::HotCustomer { .. }
            | Refusal::RetryInOrder
            | Refusal::PartitionBusy { .. }
            | Refusal::WorkspaceBusy { .. }
            | Refusal::WorkspaceRate { .. }
            | Refusal::DiskLow
            | Refusal::NotLeader
            | Refusal::NoSession { .. }
            | Refusal::Quarantined { .. }
            | Refusal::CustomerParked { .. } => true,
            Refusal::OutcomeUnknown | Refusal::Stopped { .. } => false,
        },
    }
}
