//! What the other documents of a publish, and those published before, declare: for checks across documents.

use std::collections::{BTreeMap, BTreeSet};

use journey_types::{Channel, ConnectorId, ContentId, JourneyId};

use crate::content::Needs;
use crate::schema::Schemas;

/// What may be named. `None` means that names are not held against anything: a catalog is built from documents that
/// were checked when they were published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) journeys: Option<BTreeSet<JourneyId>>,
    /// Of each content its channels, with what each cannot be rendered without.
    pub(crate) contents: Option<BTreeMap<ContentId, BTreeMap<Channel, Needs>>>,
    pub(crate) schemas: Schemas,
    /// Connectors of the node, which only the node knows.
    pub(crate) connectors: Option<BTreeSet<ConnectorId>>,
    /// Contents of this publish that have problems of their own: naming them is no further problem.
    pub(crate) unreadable_contents: BTreeSet<ContentId>,
}
