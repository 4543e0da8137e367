//! The parts of a customer as messages.

mod aggregate;
mod ids;
mod packed;
mod stamps;
mod types;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{
    Aggregate, CustomerState, JourneyMemory, OutboxRow, PackedMap, WatchedGoal,
};
use journey_types::{AggregateId, JourneyId, Sequence, Value};

pub(crate) use self::ids::IdList;
pub use self::ids::{decode_id_segment, encode_id_segment};

use crate::error::CodecError;
use crate::wire::field::Field;
use crate::wire::message::{Message, read_table};
use crate::wire::{Fields, Writer};

/// Makes a struct of parts of the state, borrowed when written and owned when read, a message.
macro_rules! part {
    ($(#[$doc:meta])* $name:ident { $($number:literal => $field:ident: $type:ty = $path:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name<'s> {
            $($field: Cow<'s, $type>,)*
        }

        impl<'s> $name<'s> {
            /// The part of this customer.
            pub(super) fn of(state: &'s CustomerState) -> Self {
                $(let $field: fn(&'s CustomerState) -> &'s $type = $path;)*
                Self { $($field: Cow::Borrowed($field(state)),)* }
            }
        }

        impl Message for $name<'_> {
            const NAME: &'static str = stringify!($name);

            fn write_fields(&self, out: &mut Writer<'_>) {
                $(Field::write(self.$field.as_ref(), $number, out);)*
            }

            fn read_fields(fields: Fields<'_>) -> Result<Self, CodecError> {
                struct Owned { $($field: $type,)* }
                let Owned { $($field),* } =
                    read_table!(fields, Self::NAME, Owned { $($number => $field),* });
                Ok(Self { $($field: Cow::Owned($field),)* })
            }
        }
    };
}

part! {
    /// Traits and lifecycle stage.
    Profile {
        1 => traits: BTreeMap<String, Value> = |state| &state.traits,
        2 => lifecycle: Option<String> = |state| &state.lifecycle,
    }
}

part! {
    /// History aggregates.
    History {
        1 => aggregates: BTreeMap<AggregateId, Aggregate> = |state| &state.history,
    }
}

part! {
    /// What is remembered of journeys.
    Journeys {
        1 => journeys: PackedMap<JourneyId, JourneyMemory> = |state| &state.journeys,
        2 => watched_goals: Vec<WatchedGoal> = |state| &state.watched_goals,
    }
}

part! {
    /// Effects without a terminal outcome.
    Outbox {
        1 => rows: BTreeMap<Sequence, Arc<OutboxRow>> = |state| &state.outbox,
    }
}

part! {
    /// The latest things that happened.
    Timeline {
        1 => entries: journey_customer::Timeline = |state| &state.timeline,
    }
}

impl Profile<'_> {
    /// Gives it to the customer.
    pub(super) fn put_into(self, state: &mut CustomerState) {
        state.traits = Arc::new(self.traits.into_owned());
        state.lifecycle = self.lifecycle.into_owned();
    }
}

impl History<'_> {
    /// Gives it to the customer.
    pub(super) fn put_into(self, state: &mut CustomerState) {
        state.history = self.aggregates.into_owned();
    }
}

impl Journeys<'_> {
    /// Gives it to the customer.
    pub(super) fn put_into(self, state: &mut CustomerState) {
        state.journeys = self.journeys.into_owned();
        state.watched_goals = self.watched_goals.into_owned();
    }
}

impl Outbox<'_> {
    /// Gives it to the customer.
    pub(super) fn put_into(self, state: &mut CustomerState) {
        state.outbox = self.rows.into_owned();
    }
}

impl Timeline<'_> {
    /// Gives it to the customer.
    pub(super) fn put_into(self, state: &mut CustomerState) {
        state.timeline = self.entries.into_owned();
    }
}

/// Writes everything that is known of a customer, for its hash. Says nothing of rows: how a customer is cut into rows
/// differs between replicas.
pub(crate) fn write_state(state: &CustomerState, out: &mut Writer<'_>) {
    // Every field by name: one that is added and forgotten here would let replicas differ unseen.
    let CustomerState {
        key,
        birth,
        last_sequence,
        stamp,
        traits,
        lifecycle,
        history,
        dedupe,
        instances,
        next_instance,
        journeys,
        watched_goals,
        outbox,
        paused_turn,
        timeline,
        dead_letters,
        quarantined,
        parked,
    } = state;
    key.write(1, out);
    birth.write(2, out);
    last_sequence.write(3, out);
    stamp.write(4, out);
    traits.as_ref().write(5, out);
    lifecycle.write(6, out);
    history.write(7, out);
    out.message(8, |out| IdList::write_ids(&dedupe.open, out));
    for chunk in &dedupe.chunks {
        out.message(9, |out| {
            chunk.number.write(1, out);
            out.message(2, |out| chunk.write_fields(out));
        });
    }
    dedupe.next_segment.write(10, out);
    instances.write(11, out);
    next_instance.write(12, out);
    journeys.write(13, out);
    watched_goals.write(14, out);
    outbox.write(15, out);
    paused_turn.write(16, out);
    timeline.write(17, out);
    dead_letters.write(18, out);
    quarantined.write(19, out);
    parked.write(20, out);
}
