//! `emit`: raises an event of this customer in the same turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_model::EmitStep;
use journey_types::{CustomerEvent, EventId, EventName, SourceName, Value};

use super::{StepFailure, value};
use crate::event::{Departure, InstanceRef, RaisedEvent};
use crate::turn::{Position, Subject, Turn};

/// The source of events that journeys raise.
const SOURCE: &str = "journey";

/// Puts the event behind those that wait, then goes on.
pub(super) fn run<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    emit: &'a EmitStep,
) -> Result<(), StepFailure> {
    let mut properties = BTreeMap::new();
    for (name, source) in &emit.properties {
        let subject = Subject::of(&position.instance, position.plan);
        properties.insert(name.clone(), value::of(turn, source, subject)?);
    }
    raise(
        turn,
        position.instance_ref(),
        emit.event.clone(),
        properties,
    )?;
    turn.go(position, Departure::Done, position.step.next);
    Ok(())
}

/// Raises an event of this customer, stamped now.
///
/// # Errors
/// Why it cannot be raised: too deep, too many, too large.
pub(super) fn raise(
    turn: &mut Turn<'_>,
    raised_by: InstanceRef,
    name: EventName,
    properties: BTreeMap<String, Value>,
) -> Result<(), StepFailure> {
    let state = &turn.state;
    // Unique: whatever raises an event records a fact before the next one is raised.
    let id = format!("{}-{}-{name}", state.birth, state.last_sequence);
    let event = CustomerEvent {
        customer: state.key.clone(),
        source: SourceName::new(SOURCE).expect("a short text"),
        id: EventId::new(id).expect("two numbers and a name of at most 128 bytes"),
        name,
        occurred_at: turn.stamp,
        channel: None,
        device: None,
        properties,
    };
    event
        .validate(turn.stamp)
        .map_err(|refused| refused.to_string())?;
    let depth = turn.depth_of_raised();
    turn.raise(RaisedEvent {
        depth,
        event: Arc::new(event),
        raised_by,
    })
}
