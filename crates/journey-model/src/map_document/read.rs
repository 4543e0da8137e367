//! Reads a `map` document.

use journey_types::{EventName, MapId};

use super::columns::{ColumnRef, Template, TimeFormat};
use super::split::Delimiter;
use super::{MapDocument, NameSource, PropertySource};
use crate::calendar::DEFAULT_ZONE;
use crate::fields::Fields;
use crate::reading::Reader;
use crate::schema::PropertyType;
use crate::yaml::{Entry, Node, NodeValue};

/// Reads `map: id` with its format and columns.
pub(crate) fn read_map(reader: &mut Reader<'_, '_>, root: &Node) -> Option<MapDocument> {
    let n_errors = reader.problems.n_errors();
    let mut fields = Fields::of(root, "a map", reader.problems)?;
    let id = fields.require("map", reader.problems);
    let format = fields.require("format", reader.problems);
    let customer_id = fields.require("customer_id", reader.problems);
    let occurred_at = fields.require("occurred_at", reader.problems);
    let name = fields.require("name", reader.problems);
    let event_id = fields.require("id", reader.problems);
    let channel = fields.take("channel");
    let properties = fields.take("properties");
    fields.finish(reader.problems);
    let id: Option<MapId> = id.and_then(|node| reader.id(node));
    let format = format.and_then(|node| read_format(reader, node));
    // Without a readable format nothing is said about names of columns.
    let mut columns = ColumnReader {
        reader,
        has_header: format.is_none_or(|(_, has_header)| has_header),
    };
    let customer_id = customer_id.and_then(|node| columns.template(node));
    let occurred_at = occurred_at.and_then(|node| columns.occurred_at(node));
    let name = name.and_then(|node| columns.name(node));
    let event_id = event_id.and_then(|node| columns.event_id(node));
    let channel = channel.and_then(|node| columns.template(node));
    let properties = properties.map_or_else(Vec::new, |node| columns.properties(node));
    (reader.problems.n_errors() == n_errors).then_some(())?;
    let (delimiter, has_header) = format?;
    Some(MapDocument {
        id: id?,
        delimiter,
        has_header,
        customer_id: customer_id?,
        occurred_at: occurred_at?,
        name: name?,
        event_id: event_id?,
        channel,
        properties,
    })
}

fn read_format(reader: &mut Reader<'_, '_>, node: &Node) -> Option<(Delimiter, bool)> {
    let mut fields = Fields::of(node, "a `format`", reader.problems)?;
    let delimiter = fields.require("delimiter", reader.problems);
    let header = fields.require("header", reader.problems);
    fields.finish(reader.problems);
    let delimiter = delimiter.and_then(|node| read_delimiter(reader, node));
    let header = header.and_then(|node| reader.flag(node));
    Some((delimiter?, header?))
}

fn read_delimiter(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Delimiter> {
    let expected = "`whitespace`, or one character as text such as `\",\"` or `\"\\t\"`,";
    let text = reader.text(node, expected)?;
    let mut chars = text.chars();
    match (text, chars.next(), chars.next()) {
        ("whitespace", ..) => Some(Delimiter::Whitespace),
        (_, Some(only), None) if only != '"' && only != '\n' => Some(Delimiter::Character(only)),
        _ => {
            reader.expected(node, expected);
            None
        }
    }
}

/// Reads fields that name columns.
struct ColumnReader<'r, 'a, 's> {
    reader: &'r mut Reader<'a, 's>,
    has_header: bool,
}

impl ColumnReader<'_, '_, '_> {
    /// `{ column: 1 }`, or a text with columns inserted.
    fn template(&mut self, node: &Node) -> Option<Template> {
        if let NodeValue::Text(text) = &node.value {
            return self.inserted(node, text);
        }
        let what = "a column (`{ column: 1 }`, or a text with `{name}` in it)";
        let mut fields = Fields::of(node, what, self.reader.problems)?;
        let column = self.column(&mut fields);
        fields.finish(self.reader.problems);
        column.map(Template::column)
    }

    fn inserted(&mut self, node: &Node, text: &str) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) => {
                for column in template.columns() {
                    self.check_column(node, column);
                }
                Some(template)
            }
            Err(message) => {
                let span = node.span.clone();
                self.reader.problems.error_only(span, message);
                None
            }
        }
    }

    fn column(&mut self, fields: &mut Fields<'_>) -> Option<ColumnRef> {
        let node = fields.require("column", self.reader.problems)?;
        let column = match &node.value {
            NodeValue::Text(name) => ColumnRef::Name(name.clone()),
            NodeValue::Int(number) if *number > 0 => {
                ColumnRef::Number(usize::try_from(*number).ok()?)
            }
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Int(_)
            | NodeValue::Double(_)
            | NodeValue::List(_)
            | NodeValue::Map(_)
            | NodeValue::Refused => {
                let expected = "the number of a column, from 1, or its name in the header";
                self.reader.expected(node, expected);
                return None;
            }
        };
        self.check_column(node, &column);
        Some(column)
    }

    fn check_column(&mut self, node: &Node, column: &ColumnRef) {
        if let (ColumnRef::Name(name), false) = (column, self.has_header) {
            let message = format!("there is no header in which a column is called `{name}`");
            let advice = "name the column by its number, from 1, or set `header: true`";
            let span = node.span.clone();
            self.reader.problems.error(span, message, advice);
        }
    }

    fn occurred_at(&mut self, node: &Node) -> Option<(ColumnRef, TimeFormat)> {
        let what = "`occurred_at` of a map";
        let mut fields = Fields::of(node, what, self.reader.problems)?;
        let column = self.column(&mut fields);
        let format = self.time_format(&mut fields);
        fields.finish(self.reader.problems);
        Some((column?, format?))
    }

    fn time_format(&mut self, fields: &mut Fields<'_>) -> Option<TimeFormat> {
        let format = fields.take("format");
        let zone_node = fields.take("zone");
        let zone = zone_node.map(|node| self.reader.zone(node));
        let Some(node) = format else {
            if let Some(node) = zone_node {
                let message = "RFC 3339 names its own offset: a `zone` has no effect";
                let advice = "add a `format`, or leave `zone` out";
                let span = node.span.clone();
                self.reader.problems.error(span, message, advice);
                return None;
            }
            return Some(TimeFormat::Rfc3339);
        };
        let format = self
            .reader
            .text(node, "a format, as text such as `\"%Y%m%d\"`,")?;
        let zone = zone.unwrap_or_else(|| Some(DEFAULT_ZONE.to_owned()))?;
        // An instant printed and read back shows both whether the format is known and whether it says enough.
        let time_format = TimeFormat::Strptime {
            format: format.to_owned(),
            zone,
        };
        let example = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
        let printed = jiff::fmt::strtime::format(format, &example);
        let read_back = printed
            .map_err(|error| error.to_string())
            .and_then(|text| time_format.parse_unix_ms(&text));
        if let Err(problem) = read_back {
            let message = format!("`{format}` cannot be used to read an instant: {problem}");
            let advice = "formats are those of strptime, such as `%Y%m%d` or `%d/%m/%Y %H:%M:%S`";
            let span = node.span.clone();
            self.reader.problems.error(span, message, advice);
            return None;
        }
        Some(time_format)
    }

    fn name(&mut self, node: &Node) -> Option<NameSource> {
        let template = self.template(node)?;
        if !template.is_fixed() {
            return Some(NameSource::Made(template));
        }
        self.reader.id::<EventName>(node).map(NameSource::Fixed)
    }

    /// The id of an event must differ from line to line, or all lines but one are duplicates.
    fn event_id(&mut self, node: &Node) -> Option<Template> {
        let template = self.template(node)?;
        if template.is_fixed() {
            let message =
                "this id is the same for every line: all but the first would be duplicates";
            let advice = "insert a column, or `{line}`";
            let span = node.span.clone();
            self.reader.problems.error(span, message, advice);
        }
        Some(template)
    }

    fn properties(&mut self, node: &Node) -> Vec<(String, PropertySource)> {
        let Some(fields) = Fields::of(node, "`properties` of a map", self.reader.problems) else {
            return Vec::new();
        };
        let mut properties = Vec::new();
        for Entry { key, value } in fields.rest() {
            if let Some(source) = self.property(value) {
                properties.push((key.text.clone(), source));
            }
        }
        properties
    }

    fn property(&mut self, node: &Node) -> Option<PropertySource> {
        if let NodeValue::Text(text) = &node.value {
            return Some(PropertySource {
                value: self.inserted(node, text)?,
                kind: PropertyType::Text,
                format: TimeFormat::Rfc3339,
            });
        }
        let mut fields = Fields::of(node, "a property of a map", self.reader.problems)?;
        let column = self.column(&mut fields);
        let kind = match fields.take("type") {
            None => Some(PropertyType::Text),
            Some(node) => self.reader.word(node, &PropertyType::WORDS, &[]),
        };
        let format = if kind == Some(PropertyType::Time) {
            self.time_format(&mut fields)
        } else {
            Some(TimeFormat::Rfc3339)
        };
        fields.finish(self.reader.problems);
        Some(PropertySource {
            value: Template::column(column?),
            kind: kind?,
            format: format?,
        })
    }
}
