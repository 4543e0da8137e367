//! The authored journey: YAML to definition to checks to plan, with CEL conditions and content.
//!
//! Never knows the state of a customer, never does IO, never reads a clock.
//!
//! ```text
//!   YAML sources ──► documents ──► check (every problem, with spans) ──► Catalog of Plans
//!   Plan's Expression + Scope ──► Value
//! ```
//!
//! Start at [`Plan`] and [`Catalog`]; [`Expression`] evaluates over a [`Scope`].

mod calendar;
mod catalog;
mod content;
mod expression;
mod plan;
mod scope;

pub use calendar::{
    DEFAULT_ZONE, DailyTime, WeekdaySet, Window, ZoneChoice, is_zone, resolve_zone, until_local,
};
pub use catalog::{AggregateSpec, Catalog, JourneyVersions};
pub use content::{Content, Rendered, Variant};
pub use expression::{
    AggregateNeed, Dependencies, EvaluationError, Expression, ExpressionProblem, Position, Site,
};
pub use plan::{
    Again, Assignment, Delay, EmitStep, EntryRule, EventMatch, ExitRule, ExitTrigger, Goal,
    MatchKey, MessageAwait, MessageStep, OnConflict, Place, Plan, Reentry, SharedPlan, SplitArm,
    Step, StepIdx, StepKind, StepTimeout, Target, ValueSource, WaitBranch, WaitSince, WaitTrigger,
};
pub use scope::{CustomerScope, HistoryReader, InstanceScope, JourneysReader, Scope};
