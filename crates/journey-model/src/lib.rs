//! The authored journey: YAML to definition to checks to plan, with CEL conditions and content.
//!
//! Never knows the state of a customer, never does IO, never reads a clock.
//!
//! ```text
//!   YAML sources ──► check (every problem, with its place) ──► documents, published ──► Catalog of Plans
//!   Plan's Expression + Scope ──► Value
//! ```
//!
//! Start at [`check`] for authoring, at [`Catalog::build`] and [`Plan`] for running; [`Expression`] evaluates over a
//! [`Scope`].

mod document;
mod source;

mod check;
mod diagnostic;
mod problems;

mod fields;
mod known;
mod reading;
mod yaml;

mod content_document;
mod event_match;
mod journey;
mod map_document;
mod schema;
mod step;

mod event_line;
mod line_problem;

mod canonical;
mod catalog;
mod plan;

mod calendar;
mod content;
mod expression;
mod scope;

pub mod limits;

pub use calendar::{
    DEFAULT_ZONE, DailyTime, WeekdaySet, Window, ZoneChoice, is_zone, resolve_zone, until_local,
};
pub use catalog::{AggregateSpec, Catalog, CatalogError, JourneyVersions, PublishedDocument};
pub use check::{CheckReport, CheckedDocument, Surroundings, check, check_within};
pub use content::{
    Content, ContentProblem, ContentSite, LocaleChoice, LocaleFit, Rendered, Variant,
};
pub use diagnostic::{Diagnostic, Severity};
pub use document::DocumentKind;
pub use event_line::{LineDefaults, read_event_line};
pub use expression::{
    AggregateNeed, Dependencies, Entrances, EvaluationError, Expression, ExpressionProblem,
    Position, Site,
};
pub use line_problem::LineProblem;
pub use map_document::{MapDocument, MapReader};
pub use plan::{
    Again, Assignment, CallStep, Delay, EmbeddedTest, EmitStep, EntryRule, EntryTrigger,
    EventMatch, ExitRule, ExitTrigger, Expectation, Given, GivenKind, Goal, MatchKey, MessageAwait,
    MessageStep, OnConflict, Place, Plan, Reentry, SharedPlan, SplitArm, Step, StepIdx, StepKind,
    StepTimeout, Target, TaskSla, TaskStep, ValueSource, WaitBranch, WaitSince, WaitTrigger,
};
pub use schema::{EventSchema, PropertyType, Schema, SchemaRefusal, Schemas};
pub use scope::{CustomerScope, HistoryReader, InstanceScope, JourneysReader, Scope};
pub use source::Source;
