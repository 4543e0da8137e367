//! The `map` document: how a delimited file is read as events (JOURNEYS section 6).

use journey_types::{MapId, Value};

use crate::canonical::map;
use crate::reading::Reader;
use crate::yaml::Node;

/// How the lines of a delimited file become events.
#[derive(Debug, Clone, PartialEq)]
pub struct MapDocument {
    id: MapId,
}

impl MapDocument {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &MapId {
        &self.id
    }
}

pub(crate) fn read_map(reader: &mut Reader<'_, '_>, root: &Node) -> Option<MapDocument> {
    let message = "documents of the kind `map` are not available yet";
    reader.problems.error_only(root.span.clone(), message);
    None
}

pub(crate) fn canonical(document: &MapDocument) -> Value {
    map([("map", Value::text(document.id.as_str()))])
}
