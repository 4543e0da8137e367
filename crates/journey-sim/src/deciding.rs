//! The first law with faults in it: some turns panic, some pause, as the customer's state and the event have it and
//! nothing else does.

use journey_customer::{
    Command, CustomerState, DecideContext, Decision, EventBody, JournalEvent, Rejection, apply,
    decide,
};
use journey_types::{EventName, Timestamp};

/// An event, or the beginning of an enroll call's id, that panics on about every other state of its customer.
pub(crate) const POISON: &str = "poison";
/// An event whose turn pauses.
pub(crate) const PAUSE: &str = "pause";
/// Of so many states of a customer one panics when its timers fire, in stamps that this divides.
const FIRES_PANIC_EVERY: u64 = 29;

/// Decides as the product does, and pauses.
pub(crate) fn pausing(
    state: &CustomerState,
    command: &Command,
    context: &DecideContext<'_>,
) -> Result<Decision, Rejection> {
    let mut decision = decide(state, command, context)?;
    let pauses = name_of(command).is_some_and(|name| name.as_str() == PAUSE);
    if pauses && !decision.events.is_empty() && decision.state.paused_turn.is_none() {
        let paused = JournalEvent {
            sequence: decision.state.last_sequence.next(),
            stamp: decision.state.stamp,
            body: EventBody::TurnPaused {
                round: 1,
                events: Vec::new(),
                instances: Vec::new(),
            },
        };
        apply(&mut decision.state, &paused);
        decision.events.push(paused);
    }
    Ok(decision)
}

/// The same, and panics.
pub(crate) fn panicking(
    state: &CustomerState,
    command: &Command,
    context: &DecideContext<'_>,
) -> Result<Decision, Rejection> {
    let sequence = state.last_sequence.get();
    let is_poison = match command {
        Command::Enroll(enrollment) => enrollment.id.as_str().starts_with(POISON),
        _ => name_of(command).is_some_and(|name| name.as_str() == POISON),
    };
    assert!(
        !is_poison || sequence.is_multiple_of(2),
        "poisoned at {sequence}"
    );
    let fires = *command == Command::FireTimers;
    let is_bad = fires && sequence.is_multiple_of(FIRES_PANIC_EVERY) && is_even(context.stamp);
    assert!(!is_bad, "timers of {sequence} do not fire in this stamp");
    pausing(state, command, context)
}

fn name_of(command: &Command) -> Option<&EventName> {
    match command {
        Command::Ingest { event, .. } => Some(&event.name),
        _ => None,
    }
}

const fn is_even(stamp: Timestamp) -> bool {
    stamp.unix_ms() % 2 == 0
}
