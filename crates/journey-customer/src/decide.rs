//! The first law: what a command does to a customer is decided here, purely. One file per command in `decide/`.

mod claim;
mod enroll;
mod fire;
mod ids;
mod ingest;
mod set_aside;
mod settle;

pub use self::ids::look_up_id;

use journey_model::Catalog;
use journey_types::limits::CUSTOMER_STATE_SIZE_BYTES_MAX;
use journey_types::{BirthIndex, ClusterKey, Timestamp};

use crate::command::{Command, Rejection, Reply};
use crate::dedupe::RowsOfIds;
use crate::delivery::DeliverySettings;
use crate::event::JournalEvent;
use crate::size;
use crate::state::CustomerState;
use crate::turn::Turn;

/// What deciding may look at beside the customer itself.
#[derive(Debug, Clone, Copy)]
pub struct DecideContext<'a> {
    /// The stamp of the turn: not before the customer's last.
    pub stamp: Timestamp,
    /// The adopted catalog.
    pub catalog: &'a Catalog,
    /// The cluster's key, for fingerprints.
    pub cluster_key: &'a ClusterKey,
    /// The birth index a customer gets that is born in this turn: session plus batch number, which grows for ever.
    pub birth: BirthIndex,
    /// The workspace's zone, `UTC` where none is set.
    pub workspace_zone: &'a str,
    /// How often the effects of a destination are tried.
    pub delivery: &'a DeliverySettings,
    /// Whether the partition has room for what the command may set aside.
    pub set_aside_has_room: bool,
    /// What is known of the event id that the command brings, where [`look_up_id`] gives one.
    pub rows_of_ids: RowsOfIds,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The facts, in order; empty when nothing changed.
    pub events: Vec<JournalEvent>,
    /// The state after them, made by `apply` on a scratch copy: a panic there shows before anything is proposed.
    pub state: CustomerState,
    /// The answer, to be held back until the facts are applied.
    pub reply: Reply,
    /// Conditions that failed to evaluate and counted as false: (journey, step or rule, reason). For metrics only.
    pub condition_errors: Vec<(String, String, String)>,
}

/// Decides what a command does. The state itself is not touched.
///
/// A turn that reached its budget leaves a `paused_turn`: [`Command::ContinueTurn`] comes before any other command
/// of that customer, and is decided at the stamp of the pause whatever the context says.
///
/// # Errors
/// A [`Rejection`]: deterministic, and nothing changed.
///
/// # Panics
/// When the stamp lies before the customer's last, when the event is another customer's, and when a turn is paused
/// and the command is none of [`Command::ContinueTurn`], [`Command::Quarantine`], [`Command::Park`] and
/// [`Command::Release`]; when the customer is parked and the command is not [`Command::Release`].
pub fn decide(
    state: &CustomerState,
    command: &Command,
    context: &DecideContext<'_>,
) -> Result<Decision, Rejection> {
    assert!(
        state.paused_turn.is_none()
            || matches!(
                command,
                Command::ContinueTurn
                    | Command::Quarantine { .. }
                    | Command::Park { .. }
                    | Command::Release
            ),
        "a paused turn of {} goes on before anything else",
        state.key
    );
    assert!(
        state.parked.is_none() || matches!(command, Command::Release),
        "nothing is decided for {}, which is parked",
        state.key
    );
    let decision = decide_in(Turn::open(state, context), command)?;
    let size_bytes = size::of_state(&decision.state);
    if size_bytes <= CUSTOMER_STATE_SIZE_BYTES_MAX || decision.events.is_empty() {
        return Ok(decision);
    }
    match command {
        Command::Ingest { .. } | Command::Enroll(_) | Command::ReplayQuarantined { .. } => {
            Err(Rejection::StateTooLarge { size_bytes })
        }
        // Time and outcomes cannot be refused: what they would move is parked instead, which shrinks the customer.
        Command::FireTimers
        | Command::ContinueTurn
        | Command::Claim { .. }
        | Command::Settle { .. }
        | Command::ReplayDeadLetter { .. }
        | Command::Discard { .. }
        | Command::Quarantine { .. }
        | Command::Park { .. }
        | Command::Release => decide_in(Turn::open(state, context).frugal(), command),
    }
}

fn decide_in(turn: Turn<'_>, command: &Command) -> Result<Decision, Rejection> {
    match command {
        Command::Ingest { event, mode } => ingest::decide(turn, event, *mode),
        Command::Enroll(enrollment) => enroll::decide(turn, enrollment),
        Command::FireTimers => Ok(fire::decide(turn)),
        Command::ContinueTurn => Ok(continue_turn(turn)),
        Command::Claim {
            effect,
            until,
            worker,
        } => claim::decide(turn, *effect, *until, worker),
        Command::Settle {
            birth,
            effect,
            attempt,
            outcome,
        } => settle::decide(turn, *birth, (*effect, *attempt), outcome),
        Command::ReplayDeadLetter { birth, effect } => {
            set_aside::replay_dead_letter(turn, *birth, *effect)
        }
        Command::ReplayQuarantined { birth, entry } => {
            set_aside::replay_command(turn, *birth, *entry)
        }
        Command::Discard { birth, what } => set_aside::discard(turn, *birth, *what),
        Command::Quarantine {
            command,
            reason,
            parks,
        } => set_aside::quarantine(turn, command, reason, *parks),
        Command::Park { reason } => Ok(set_aside::park(turn, reason)),
        Command::Release => Ok(set_aside::release(turn)),
    }
}

fn continue_turn(mut turn: Turn<'_>) -> Decision {
    if let Some(paused) = turn.state.paused_turn.clone() {
        turn.stamp = paused.stamp;
        turn.resume(paused);
    }
    turn.close(Reply::Continued)
}

#[cfg(test)]
mod tests;
