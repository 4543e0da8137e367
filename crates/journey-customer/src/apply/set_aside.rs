//! What is set aside, and how it comes back or goes.

use std::sync::Arc;

use journey_types::Sequence;

use crate::set_aside::{Closing, DeadLetter, Parking, QuarantinedCommand, SetAside};
use crate::state::{CustomerState, EffectStatus};

/// Takes an effect out of the outbox: what waits behind it on its channel goes on.
pub(super) fn dead_letter(
    state: &mut CustomerState,
    effect: Sequence,
    reason: &str,
    size_bytes: u32,
) {
    let row = state.outbox.remove(&effect);
    assert!(
        row.is_some(),
        "a fact makes effect {effect} a dead letter, which is not in the outbox"
    );
    let mut row = Arc::unwrap_or_clone(row.expect("asserted above"));
    row.end_attempt(reason);
    row.status = EffectStatus::Open;
    let letter = DeadLetter {
        row,
        since: state.stamp,
        reason: reason.to_owned(),
        size_bytes,
    };
    state.dead_letters.insert(effect, Arc::new(letter));
}

/// Keeps a command under the sequence of its own fact.
pub(super) fn quarantine(state: &mut CustomerState, command: &QuarantinedCommand) {
    let entry = state.last_sequence;
    state.quarantined.insert(entry, Arc::new(command.clone()));
}

/// Nothing is decided for the customer from now on.
pub(super) fn park(state: &mut CustomerState, reason: &str) {
    let parking = Parking {
        since: state.stamp,
        reason: reason.to_owned(),
    };
    state.parked = Some(Arc::new(parking));
}

/// Lets go of something; a replayed dead letter is an effect again, with a fresh budget.
pub(super) fn close(state: &mut CustomerState, what: SetAside, how: Closing) {
    match what {
        SetAside::DeadLetter(effect) => {
            let letter = state.dead_letters.remove(&effect);
            assert!(
                letter.is_some(),
                "a fact speaks of dead letter {effect}, which is not there"
            );
            let letter = Arc::unwrap_or_clone(letter.expect("asserted above"));
            if how == Closing::Replayed {
                let mut row = letter.row;
                row.attempts_before_replay = row.attempt;
                row.attempts_returned = 0;
                row.returned_in_a_row = 0;
                state.outbox.insert(effect, Arc::new(row));
            }
        }
        SetAside::Command(entry) => {
            let command = state.quarantined.remove(&entry);
            assert!(
                command.is_some(),
                "a fact speaks of quarantined command {entry}, which is not there"
            );
        }
    }
}
