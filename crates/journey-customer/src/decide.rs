//! The first law: what a command does to a customer is decided here, purely.

use journey_model::Catalog;
use journey_types::{BirthIndex, ClusterKey, Timestamp};

use crate::command::Reply;
use crate::event::JournalEvent;
use crate::state::CustomerState;

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
