//! Reads the lines of one file by a map.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use journey_types::{CustomerEvent, CustomerKey, InvalidId, Timestamp, Value};

use super::columns::{ColumnRef, Template, TemplatePart, TimeFormat};
use super::split::Delimiter;
use super::{MapDocument, NameSource, PropertySource};
use crate::event_line::LineDefaults;
use crate::expression::{nearest, one_of};
use crate::line_problem::{LineProblem, bad_id};
use crate::schema::PropertyType;
use crate::yaml::shortened;

/// Reads one file, line by line from its first.
#[derive(Debug)]
pub struct MapReader {
    map: Arc<MapDocument>,
    defaults: LineDefaults,
    /// Columns by their name in the header, from 0.
    header: BTreeMap<String, usize>,
    /// How many columns the header has, where there is one.
    n_in_header: Option<usize>,
}

/// One line cut into columns.
struct Columns<'r> {
    line_number: u64,
    columns: Vec<String>,
    header: &'r BTreeMap<String, usize>,
}

impl MapReader {
    /// Reads events of that workspace and source.
    #[must_use]
    pub const fn new(map: Arc<MapDocument>, defaults: LineDefaults) -> Self {
        Self {
            map,
            defaults,
            header: BTreeMap::new(),
            n_in_header: None,
        }
    }

    /// Reads one line, with or without its line break. `line_number` counts from 1 and includes header and blank lines.
    /// `None` for the header and for blank lines.
    ///
    /// # Errors
    /// What is wrong with the line. After a problem with the header no line of the file can be read: see
    /// [`LineProblem::reason`] `bad_header`.
    pub fn read_line(
        &mut self,
        line_number: u64,
        line: &str,
    ) -> Result<Option<CustomerEvent>, LineProblem> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let mut line = line.strip_suffix('\r').unwrap_or(line);
        if line_number == 1 {
            // A byte order mark is no part of the first column.
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        let is_header = line_number == 1 && self.map.has_header;
        if line.trim().is_empty() && !is_header {
            return Ok(None);
        }
        let columns = self.map.delimiter.columns(line);
        let columns = columns.map_err(|message| LineProblem::new("bad_columns", message))?;
        if is_header {
            return self.read_header(columns).map(|()| None);
        }
        self.check_number(&columns)?;
        let columns = Columns {
            line_number,
            columns,
            header: &self.header,
        };
        self.event(&columns).map(Some)
    }

    /// Refuses a line with more columns than the header: a delimiter that stands in a text without quotes shifts all that
    /// follows. Empty ones at the end shift nothing.
    fn check_number(&self, columns: &[String]) -> Result<(), LineProblem> {
        let Some(n_in_header) = self.n_in_header else {
            return Ok(());
        };
        let mut more = columns.iter().skip(n_in_header);
        if more.all(|column| column.trim().is_empty()) {
            return Ok(());
        }
        let quotes = match self.map.delimiter {
            Delimiter::Whitespace => "",
            Delimiter::Character(_) => "; a text that holds the delimiter stands in double quotes",
        };
        let message = format!(
            "the line has {} columns, its header {n_in_header}{quotes}",
            columns.len()
        );
        Err(LineProblem::new("bad_columns", message))
    }

    fn read_header(&mut self, names: Vec<String>) -> Result<(), LineProblem> {
        self.n_in_header = Some(names.len());
        for (column_idx, name) in names.iter().enumerate() {
            let name = name.trim().to_owned();
            self.header.entry(name).or_insert(column_idx);
        }
        let is_missing = |column: &&ColumnRef| match column {
            ColumnRef::Number(_) => false,
            ColumnRef::Name(name) => !self.header.contains_key(name),
        };
        let Some(missing) = self.map.columns().find(is_missing) else {
            return Ok(());
        };
        let known = || self.header.keys().map(String::as_str);
        let suggestion = match missing {
            ColumnRef::Name(name) => nearest(name, known()),
            ColumnRef::Number(_) => None,
        };
        let suggestion = match suggestion {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it has {}", one_of(known())),
        };
        let message = format!("the header has no {missing}; {suggestion}");
        Err(LineProblem::new("bad_header", message))
    }

    fn event(&self, columns: &Columns<'_>) -> Result<CustomerEvent, LineProblem> {
        let map = &*self.map;
        Ok(CustomerEvent {
            customer: CustomerKey {
                workspace: self.defaults.workspace.clone(),
                customer: columns.id(&map.customer_id, "customer_id")?,
            },
            source: self.defaults.source.clone(),
            id: columns.id(&map.event_id, "id")?,
            name: match &map.name {
                NameSource::Fixed(name) => name.clone(),
                NameSource::Made(template) => columns.id(template, "name")?,
            },
            occurred_at: columns.occurred_at(&map.occurred_at)?,
            channel: match &map.channel {
                None => None,
                Some(template) => Some(columns.text(template)?).filter(|text| !text.is_empty()),
            },
            device: None,
            properties: columns.properties(&map.properties)?,
        })
    }
}

impl Columns<'_> {
    fn column(&self, column: &ColumnRef) -> Result<&str, LineProblem> {
        let column_idx = match column {
            ColumnRef::Number(number) => Some(number - 1),
            ColumnRef::Name(name) => self.header.get(name).copied(),
        };
        let found = column_idx.and_then(|column_idx| self.columns.get(column_idx));
        found.map(|text| text.trim()).ok_or_else(|| {
            let message = format!(
                "the line has no {column}: it has {} columns",
                self.columns.len()
            );
            LineProblem::new("missing_column", message)
        })
    }

    fn text(&self, template: &Template) -> Result<String, LineProblem> {
        let mut text = String::new();
        for part in &template.parts {
            match part {
                TemplatePart::Text(fixed) => text.push_str(fixed),
                TemplatePart::Column(column) => text.push_str(self.column(column)?),
                TemplatePart::Line => text.push_str(&self.line_number.to_string()),
            }
        }
        Ok(text)
    }

    fn id<T: FromStr<Err = InvalidId>>(
        &self,
        template: &Template,
        field: &str,
    ) -> Result<T, LineProblem> {
        let text = self.text(template)?;
        text.parse().map_err(|error| bad_id(field, &error))
    }

    fn occurred_at(
        &self,
        (column, format): &(ColumnRef, TimeFormat),
    ) -> Result<Timestamp, LineProblem> {
        let text = self.column(column)?;
        let unix_ms = format.parse_unix_ms(text).map_err(|reason| {
            let message = format!("occurred_at `{}`: {reason}", shortened(text));
            LineProblem::new("bad_time", message)
        })?;
        if unix_ms < 0 {
            return Err(LineProblem::before_1970());
        }
        Ok(Timestamp::from_unix_ms(unix_ms))
    }

    /// The properties; one whose text is empty is left out.
    fn properties(
        &self,
        sources: &[(String, PropertySource)],
    ) -> Result<BTreeMap<String, Value>, LineProblem> {
        let mut properties = BTreeMap::new();
        for (name, source) in sources {
            let text = self.text(&source.value)?;
            if text.is_empty() {
                continue;
            }
            let value = property(source, &text).map_err(|reason| {
                let message = format!("property `{name}` `{}`: {reason}", shortened(&text));
                LineProblem::new("bad_property", message)
            })?;
            properties.insert(name.clone(), value);
        }
        Ok(properties)
    }
}

fn property(source: &PropertySource, text: &str) -> Result<Value, String> {
    let number = || -> Option<Value> {
        if let Ok(number) = text.parse::<i64>() {
            return Some(Value::Int(number));
        }
        // Words that Rust reads as numbers, `inf` and `nan`, are none in a file.
        let is_number = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = text.parse::<f64>().ok().filter(|_| is_number)?;
        number.is_finite().then(|| Value::number(number))
    };
    match source.kind {
        PropertyType::Text => Ok(Value::text(text)),
        PropertyType::Int => match number() {
            Some(number @ Value::Int(_)) => Ok(number),
            _ => Err("it is not a whole number".to_owned()),
        },
        PropertyType::Double => number().ok_or_else(|| "it is not a number".to_owned()),
        PropertyType::Bool => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("it is not `true` or `false`".to_owned()),
        },
        PropertyType::Time => {
            let unix_ms = source.format.parse_unix_ms(text)?;
            if unix_ms < 0 {
                return Err("it lies before 1970".to_owned());
            }
            Ok(Value::Time(Timestamp::from_unix_ms(unix_ms)))
        }
    }
}
