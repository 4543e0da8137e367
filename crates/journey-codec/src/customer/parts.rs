//! Which parts a customer has, and what lies in each.

use std::sync::Arc;

use bytes::Bytes;
use journey_customer::{
    CustomerState, DeadLetter, DedupeChunk, IdSegment, Instance, PausedTurn, QuarantinedCommand,
};

use super::state::{History, IdList, Journeys, Outbox, Profile, Timeline};
use crate::error::CodecError;
use crate::parts::PartId;
use crate::stored;
use crate::wire::message::Message;

/// The parts that a customer has, in order.
pub(super) fn parts_of(state: &CustomerState) -> impl Iterator<Item = PartId> {
    let has_profile = !state.traits.is_empty() || state.lifecycle.is_some();
    let has_journeys = !state.journeys.is_empty() || !state.watched_goals.is_empty();
    let single = [
        (PartId::Profile, has_profile),
        (PartId::History, !state.history.is_empty()),
        (PartId::Journeys, has_journeys),
        (PartId::Outbox, !state.outbox.is_empty()),
        (PartId::Timeline, !state.timeline.is_empty()),
        (PartId::PausedTurn, state.paused_turn.is_some()),
    ];
    let single = single.into_iter().filter(|(_, exists)| *exists);
    let instances = state.instances.keys().copied();
    let chunks = state.dedupe.chunks.iter();
    single
        .map(|(part, _)| part)
        .chain(instances.map(PartId::Instance))
        .chain(chunks.map(|chunk| PartId::DedupeChunk(chunk.number)))
        .chain(state.dead_letters.keys().copied().map(PartId::DeadLetter))
        .chain(state.quarantined.keys().copied().map(PartId::Quarantined))
}

/// The bytes of one of the customer's parts.
pub(super) fn encode_part(state: &CustomerState, part: PartId) -> Bytes {
    stored::encode(Some(&state.key), |out| match part {
        PartId::Profile => Profile::of(state).write_fields(out),
        PartId::History => History::of(state).write_fields(out),
        PartId::Journeys => Journeys::of(state).write_fields(out),
        PartId::Outbox => Outbox::of(state).write_fields(out),
        PartId::Timeline => Timeline::of(state).write_fields(out),
        PartId::PausedTurn => {
            if let Some(paused) = &state.paused_turn {
                paused.write_fields(out);
            }
        }
        PartId::Instance(number) => {
            if let Some(instance) = state.instances.get(&number) {
                instance.write_fields(out);
            }
        }
        PartId::DedupeChunk(number) => {
            let chunks = &state.dedupe.chunks;
            if let Some(chunk) = chunks.iter().find(|chunk| chunk.number == number) {
                chunk.write_fields(out);
            }
        }
        PartId::IdSegment(number) => {
            let mut segments = state.dedupe.unwritten.iter();
            if let Some(segment) = segments.find(|segment| segment.number == number) {
                IdList::write_ids(&segment.ids, out);
            }
        }
        PartId::DeadLetter(effect) => {
            if let Some(letter) = state.dead_letters.get(&effect) {
                letter.write_fields(out);
            }
        }
        PartId::Quarantined(entry) => {
            if let Some(command) = state.quarantined.get(&entry) {
                command.write_fields(out);
            }
        }
    })
}

/// Puts a part into a customer that has those before it.
pub(super) fn decode_part(
    state: &mut CustomerState,
    part: PartId,
    bytes: &[u8],
) -> Result<(), CodecError> {
    let key = state.key.clone();
    let fields = |message| stored::fields(bytes, message, Some(&key));
    match part {
        PartId::Profile => Profile::read_fields(fields(Profile::NAME)?)?.put_into(state),
        PartId::History => History::read_fields(fields(History::NAME)?)?.put_into(state),
        PartId::Journeys => Journeys::read_fields(fields(Journeys::NAME)?)?.put_into(state),
        PartId::Outbox => Outbox::read_fields(fields(Outbox::NAME)?)?.put_into(state),
        PartId::Timeline => Timeline::read_fields(fields(Timeline::NAME)?)?.put_into(state),
        PartId::PausedTurn => {
            let paused = PausedTurn::read_fields(fields(PausedTurn::NAME)?)?;
            state.paused_turn = Some(paused);
        }
        PartId::Instance(number) => {
            let instance = Instance::read_fields(fields(Instance::NAME)?)?;
            state.instances.insert(number, Arc::new(instance));
        }
        PartId::DedupeChunk(number) => {
            let mut chunk = DedupeChunk::read_fields(fields(DedupeChunk::NAME)?)?;
            chunk.number = number;
            state.dedupe.chunks.push_back(Arc::new(chunk));
        }
        PartId::IdSegment(number) => {
            let IdList(ids) = IdList::read_fields(fields(IdList::NAME)?)?;
            let segment = IdSegment::new(number, ids);
            Arc::make_mut(&mut state.dedupe.unwritten).push(Arc::new(segment));
        }
        PartId::DeadLetter(effect) => {
            let letter = DeadLetter::read_fields(fields(DeadLetter::NAME)?)?;
            state.dead_letters.insert(effect, Arc::new(letter));
        }
        PartId::Quarantined(entry) => {
            let command = QuarantinedCommand::read_fields(fields(QuarantinedCommand::NAME)?)?;
            state.quarantined.insert(entry, Arc::new(command));
        }
    }
    Ok(())
}
