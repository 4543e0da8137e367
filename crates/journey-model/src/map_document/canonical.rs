//! The canonical form of a map: every column as an insertion, every default written.

use std::collections::BTreeMap;

use journey_types::Value;

use super::columns::Template;
use super::columns::TimeFormat;
use super::{MapDocument, NameSource};
use crate::canonical::map;

/// The canonical form.
pub(crate) fn canonical(document: &MapDocument) -> Value {
    let (column, format) = &document.occurred_at;
    let mut occurred_at = time_format(format);
    let column = Template::column(column.clone()).source();
    occurred_at.insert("column".to_owned(), Value::text(column));
    let properties = document
        .properties
        .iter()
        .map(|(name, source)| {
            let mut fields = BTreeMap::from([
                ("value".to_owned(), Value::text(source.value.source())),
                ("type".to_owned(), Value::text(source.kind.word())),
            ]);
            if source.kind == crate::schema::PropertyType::Time {
                fields.extend(time_format(&source.format));
            }
            (name.clone(), Value::Map(fields))
        })
        .collect();
    let name = match &document.name {
        NameSource::Fixed(name) => name.to_string(),
        NameSource::Made(template) => template.source(),
    };
    let channel = document.channel.as_ref().map(Template::source);
    map([
        ("map", Value::text(document.id.as_str())),
        ("delimiter", Value::text(document.delimiter.word())),
        ("header", Value::Bool(document.has_header)),
        ("customer_id", Value::text(document.customer_id.source())),
        ("occurred_at", Value::Map(occurred_at)),
        ("name", Value::text(name)),
        ("id", Value::text(document.event_id.source())),
        ("channel", channel.map_or(Value::Null, Value::Text)),
        ("properties", Value::Map(properties)),
    ])
}

fn time_format(format: &TimeFormat) -> BTreeMap<String, Value> {
    match format {
        TimeFormat::Rfc3339 => BTreeMap::new(),
        TimeFormat::Strptime { format, zone } => BTreeMap::from([
            ("format".to_owned(), Value::text(format.as_str())),
            ("zone".to_owned(), Value::text(zone.as_str())),
        ]),
    }
}
