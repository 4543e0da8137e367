//! Everything published up to one revision, compiled and indexed for the turn.

mod build;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journey_types::{
    AggregateId, CatalogRevision, ConnectorId, ContentId, DefinitionVersion, Destination,
    EventName, JourneyId, MapId, TimeSpan,
};

use crate::content::Content;
use crate::expression::Expression;
use crate::map_document::MapDocument;
use crate::plan::{Plan, StepKind};
use crate::schema::Schemas;

pub(crate) use build::aggregates_of;
pub use build::{CatalogError, PublishedDocument};

/// What a partition decides with: a pure function of the published documents up to `revision`.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Up to which publish.
    pub revision: CatalogRevision,
    /// SHA-256 over (kind, id, version, hash) of every document in it: two nodes with equal digests decide alike.
    pub digest: [u8; 32],
    /// Every journey with all its versions.
    pub journeys: BTreeMap<JourneyId, JourneyVersions>,
    /// The newest version of every content.
    pub contents: BTreeMap<ContentId, Arc<Content>>,
    /// Journeys whose newest version can enter on an event, in id order.
    pub entries: BTreeMap<EventName, Vec<JourneyId>>,
    /// Aggregates that some version reads, by the event that feeds them.
    pub aggregates: BTreeMap<EventName, Vec<AggregateSpec>>,
    /// What the newest schemas declare: events are held to it when they come in.
    pub schemas: Schemas,
    /// The newest version of every map.
    pub maps: BTreeMap<MapId, Arc<MapDocument>>,
}

/// The versions of one journey.
#[derive(Debug, Clone)]
pub struct JourneyVersions {
    /// The version that new instances take.
    pub newest: DefinitionVersion,
    /// All of them: running instances stay on theirs.
    pub versions: BTreeMap<DefinitionVersion, Arc<Plan>>,
}

/// What is counted for `history.*` calls: one per (event name, filter, property).
#[derive(Debug, Clone)]
pub struct AggregateSpec {
    /// Stable hash of event, filter and property.
    pub id: AggregateId,
    /// The event that feeds it.
    pub event: EventName,
    /// Feeds only events for which this holds; sees `event` alone.
    pub filter: Option<Expression>,
    /// The property that is summed, as a path `a.b`; `None` where only counts and instants are kept.
    pub property: Option<String>,
    /// The longest window any version reads; `None`: only totals are kept.
    pub window_max: Option<TimeSpan>,
    /// For people: `count(purchase)`, `sum(purchase, value)`.
    pub label: String,
}

impl Catalog {
    /// Each journey with each connector that some version of it calls: instances stay on their versions.
    #[must_use]
    pub fn called_connectors(&self) -> BTreeSet<(JourneyId, ConnectorId)> {
        let mut called = BTreeSet::new();
        for (journey, versions) in &self.journeys {
            let steps = versions.versions.values().flat_map(|plan| &plan.steps);
            for step in steps {
                if let StepKind::Call(call) = &step.kind
                    && let Destination::Connector(connector) = &call.to
                {
                    called.insert((journey.clone(), connector.clone()));
                }
            }
        }
        called
    }

    /// The plan of one version.
    #[must_use]
    pub fn plan(&self, journey: &JourneyId, version: DefinitionVersion) -> Option<&Arc<Plan>> {
        self.journeys.get(journey)?.versions.get(&version)
    }

    /// The plan that new instances take.
    #[must_use]
    pub fn newest_plan(&self, journey: &JourneyId) -> Option<&Arc<Plan>> {
        let versions = self.journeys.get(journey)?;
        versions.versions.get(&versions.newest)
    }
}
