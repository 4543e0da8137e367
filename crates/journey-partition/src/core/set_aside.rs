//! Whether there is room for what a turn may set aside, and which queues stand still because there is none.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use journey_customer::{
    Command, CustomerState, DecideContext, Decision, OutboxRow, Outcome, RetryBudget,
};
use journey_types::{CustomerId, CustomerKey, Destination, Sequence, Timestamp, WorkspaceId};

use crate::core::PartitionCore;
use crate::core::limits::{
    DEAD_LETTERS_SIZE_BYTES_MAX, QUARANTINE_SIZE_BYTES_MAX, STOPPED_QUEUES_MAX,
};
use crate::reader::CommittedControl;

/// A queue whose effects are tried on beyond their budget, because the dead letters take all of theirs: of everybody, or
/// of one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedQueue {
    /// Of which tenant.
    pub workspace: WorkspaceId,
    /// Where its effects go.
    pub destination: Destination,
    /// Whose alone, where it is the customer who has as many dead letters as may lie with one.
    pub customer: Option<CustomerId>,
    /// Since when this core knows.
    pub since: Timestamp,
}

/// The queues that stand still.
pub(crate) type StoppedQueues = BTreeMap<(WorkspaceId, Option<CustomerId>, Destination), Timestamp>;

impl PartitionCore {
    /// Whether the partition has room for what the command may set aside; asks the replica only where it matters.
    pub(crate) fn has_room_for(
        &mut self,
        command: &Command,
        state: &CustomerState,
        stamp: Timestamp,
    ) -> bool {
        if let Command::Discard { .. } | Command::ReplayDeadLetter { .. } = command {
            self.forget_stopped(&state.key);
        }
        let (Command::Claim { effect, .. }
        | Command::Settle {
            effect,
            outcome: Outcome::FailedForNow { .. },
            ..
        }) = command
        else {
            return true;
        };
        let Some(row) = state.outbox.get(effect) else {
            return true;
        };
        if self.budget_of(row).allows_another(row.n_attempts()) {
            return true;
        }
        if state.has_room_for_dead_letter() {
            self.forget_stopped(&state.key);
        } else {
            self.note_stopped(&state.key, true, &row.destination, stamp);
        }
        let held = self.reader.control().dead_letters;
        if held.size_bytes < DEAD_LETTERS_SIZE_BYTES_MAX {
            self.stopped_queues
                .retain(|(_, customer, _), _| customer.is_some());
            return true;
        }
        self.note_stopped(&state.key, false, &row.destination, stamp);
        false
    }

    /// Notes that a queue stands still: of the customer alone, or the whole.
    fn note_stopped(
        &mut self,
        key: &CustomerKey,
        of_customer: bool,
        destination: &Destination,
        stamp: Timestamp,
    ) {
        let customer = of_customer.then(|| key.customer.clone());
        let queue = (key.workspace.clone(), customer, destination.clone());
        let is_known = self.stopped_queues.contains_key(&queue);
        if !is_known && self.stopped_queues.len() < STOPPED_QUEUES_MAX {
            tracing::warn!(
                workspace = %queue.0,
                queue = %queue.2,
                of_customer,
                "dead letters take all of their budget, a queue stands still"
            );
            self.stopped_queues.insert(queue, stamp);
        }
    }

    /// A customer has room for dead letters again.
    fn forget_stopped(&mut self, key: &CustomerKey) {
        if !self.stopped_queues.is_empty() {
            self.stopped_queues.retain(|(workspace, customer, _), _| {
                (workspace, customer.as_ref()) != (&key.workspace, Some(&key.customer))
            });
        }
    }

    /// The retry budget of an effect's destination.
    pub(crate) fn budget_of(&self, row: &OutboxRow) -> RetryBudget {
        self.options.delivery.budget(&row.destination)
    }

    /// The budget of an effect with how many of its attempts were made; of one that is gone, the default.
    pub(crate) fn attempts_of(
        &self,
        state: &CustomerState,
        effect: Sequence,
    ) -> (RetryBudget, u32) {
        let row = state.outbox.get(&effect);
        row.map_or((self.options.delivery.default, 1), |row| {
            (self.budget_of(row), row.n_attempts())
        })
    }

    /// Queues that stand still, as long as there is no room.
    pub(crate) fn stopped_queues(&self, control: &CommittedControl) -> Vec<StoppedQueue> {
        let is_full = control.dead_letters.size_bytes >= DEAD_LETTERS_SIZE_BYTES_MAX;
        let queues = self.stopped_queues.iter();
        let queues = queues.filter(|((_, customer, _), _)| is_full || customer.is_some());
        queues
            .map(|((workspace, customer, destination), since)| StoppedQueue {
                workspace: workspace.clone(),
                destination: destination.clone(),
                customer: customer.clone(),
                since: *since,
            })
            .collect()
    }

    /// Decides that a command which panicked is set aside, and the customer parked with it where it `parks`. What an
    /// operator asks for is not set aside: it lies there already. Where it is not, or there is no room, the customer is
    /// parked alone. None where nothing is to be done, or where even this panics.
    pub(crate) fn decide_quarantine(
        &self,
        state: &CustomerState,
        (command, parks): (&Command, bool),
        reason: &str,
        context: DecideContext<'_>,
    ) -> Option<(Command, Decision)> {
        let reason = reason.to_owned();
        let is_of_operator = match command {
            Command::ReplayDeadLetter { .. }
            | Command::ReplayQuarantined { .. }
            | Command::Discard { .. }
            | Command::Quarantine { .. }
            | Command::Park { .. }
            | Command::Release => true,
            Command::Ingest { .. }
            | Command::Enroll(_)
            | Command::FireTimers
            | Command::ContinueTurn
            | Command::Claim { .. }
            | Command::Settle { .. } => false,
        };
        let held = self.reader.control().quarantined;
        let context = DecideContext {
            set_aside_has_room: held.size_bytes < QUARANTINE_SIZE_BYTES_MAX,
            ..context
        };
        // The law itself, not the one that has just panicked in a test's place.
        let decided = |command: Command| {
            let decide = || journey_customer::decide(state, &command, &context);
            let decided = catch_unwind(AssertUnwindSafe(decide)).ok()?.ok()?;
            (!decided.events.is_empty()).then_some((command, decided))
        };
        let kept = (!is_of_operator).then(|| Command::Quarantine {
            command: Box::new(command.clone()),
            reason: reason.clone(),
            parks,
        });
        let kept = kept.and_then(decided);
        kept.or_else(|| parks.then_some(Command::Park { reason }).and_then(decided))
    }
}
