//! The `map` document: how a delimited file is read as events (JOURNEYS section 6).
//!
//! Lines are counted from 1, a header is line 1, and blank lines count too: `{line}` in an id is the number an editor
//! shows.

mod canonical;
mod columns;
mod line;
mod read;
mod split;

use journey_types::{EventName, MapId};

use crate::schema::PropertyType;

pub(crate) use canonical::canonical;
pub use line::MapReader;
pub(crate) use read::read_map;

use columns::{ColumnRef, Template, TimeFormat};
use split::Delimiter;

/// How the lines of a delimited file become events.
#[derive(Debug, Clone, PartialEq)]
pub struct MapDocument {
    id: MapId,
    delimiter: Delimiter,
    has_header: bool,
    customer_id: Template,
    occurred_at: (ColumnRef, TimeFormat),
    name: NameSource,
    event_id: Template,
    channel: Option<Template>,
    properties: Vec<(String, PropertySource)>,
}

/// Where an event's name comes from.
#[derive(Debug, Clone, PartialEq)]
enum NameSource {
    /// The same for every line.
    Fixed(EventName),
    /// Made from columns.
    Made(Template),
}

/// Where a property comes from.
#[derive(Debug, Clone, PartialEq)]
struct PropertySource {
    value: Template,
    kind: PropertyType,
    /// Of `time` properties.
    format: TimeFormat,
}

impl MapDocument {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &MapId {
        &self.id
    }

    /// Every column that it names, to be found in the header.
    fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        let name = match &self.name {
            NameSource::Fixed(_) => None,
            NameSource::Made(template) => Some(template),
        };
        let properties = self.properties.iter().map(|(_, source)| &source.value);
        [&self.customer_id, &self.event_id]
            .into_iter()
            .chain(name)
            .chain(&self.channel)
            .chain(properties)
            .flat_map(Template::columns)
            .chain([&self.occurred_at.0])
    }
}

#[cfg(test)]
mod tests;
