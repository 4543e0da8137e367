//! The heart: one customer, all their journeys, decided in one turn.
//!
//! Never reads a clock, never draws, never does IO, never sees another customer.
//!
//! ```text
//!   state + command + context ──► decide ──► facts + reply   (may refuse)
//!   state + fact              ──► apply  ──► state           (cannot fail)
//! ```
//!
//! Start at [`decide()`] and [`apply()`]; a turn runs in `turn/`, each kind of step in `step/`, the rules between journeys in
//! `arbiter/`.

mod command;
mod dedupe;
mod delivery;
mod entrance;
mod event;
pub mod limits;
mod packed_map;
mod set_aside;
mod state;
mod timeline;

mod arbiter;
mod decide;
mod key;
mod step;
mod turn;

mod apply;
mod history;
pub mod printer;
mod size;

pub use apply::apply;
pub use command::{Command, IngestMode, Outcome, Rejection, Reply};
pub use decide::{DecideContext, Decision, decide, look_up_id};
pub use dedupe::{Dedupe, DedupeChunk, IdPlace, IdSegment, Lookup, RowsOfIds};
pub use delivery::{DeliverySettings, RetryBudget};
pub use entrance::{Enrollment, Entrance};
pub use event::{
    ArmedTimer, Departure, Ending, EventBody, Feed, InstanceEntered, InstanceRef, JournalEvent,
    MessageGranted, RaisedEvent, Rest, TimerKind, WorkEmitted,
};
pub use packed_map::PackedMap;
pub use set_aside::{Attempt, Closing, DeadLetter, Parking, QuarantinedCommand, SetAside};
pub use state::{
    Aggregate, CustomerState, EffectBody, EffectStatus, FallbackScope, Instance, JourneyMemory,
    MessageBody, OutboxRow, PausedTurn, WatchedGoal, WorkBody, WorkKind,
};
pub use timeline::{Timeline, TimelineEntry, TimelineLine};

#[cfg(test)]
mod tests;
