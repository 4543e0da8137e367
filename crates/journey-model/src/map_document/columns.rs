//! How a map names columns, inserts them into texts and reads times from them.

use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use journey_types::Timestamp;

use crate::calendar::{find_zone, instant_of};

/// A column by its place or by its name in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ColumnRef {
    /// From 1.
    Number(usize),
    /// As the header writes it.
    Name(String),
}

/// A text with columns inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) parts: Vec<TemplatePart>,
}

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TemplatePart {
    /// As written.
    Text(String),
    /// `{name}` or `{3}`.
    Column(ColumnRef),
    /// `{line}`: the number of the line in its file, from 1.
    Line,
}

/// How an instant is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// RFC 3339.
    Rfc3339,
    /// A `strptime` format, in a zone where the text names no offset.
    Strptime {
        /// Such as `%Y%m%d`.
        format: String,
        /// An IANA zone.
        zone: String,
    },
}

/// The insertion that is no column.
const LINE: &str = "line";

impl Template {
    /// One column and nothing else.
    pub(super) fn column(column: ColumnRef) -> Self {
        Self {
            parts: vec![TemplatePart::Column(column)],
        }
    }

    /// Reads a text with `{name}`, `{3}` and `{line}` in it.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let close = rest[open..]
                .find('}')
                .ok_or_else(|| "`{` is never closed".to_owned())?;
            if open > 0 {
                parts.push(TemplatePart::Text(rest[..open].to_owned()));
            }
            let name = &rest[open + 1..open + close];
            parts.push(match name {
                "" => return Err("`{}` names no column".to_owned()),
                LINE => TemplatePart::Line,
                name => TemplatePart::Column(ColumnRef::of(name)),
            });
            rest = &rest[open + close + 1..];
        }
        if !rest.is_empty() {
            parts.push(TemplatePart::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The columns it inserts.
    pub(super) fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Column(column) => Some(column),
            TemplatePart::Text(_) | TemplatePart::Line => None,
        })
    }

    /// Whether every line gives the same text.
    pub(super) fn is_fixed(&self) -> bool {
        let is_text = |part: &TemplatePart| matches!(part, TemplatePart::Text(_));
        self.parts.iter().all(is_text)
    }

    /// The text as it was written.
    pub(super) fn source(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => text.clone(),
                TemplatePart::Column(ColumnRef::Number(number)) => format!("{{{number}}}"),
                TemplatePart::Column(ColumnRef::Name(name)) => format!("{{{name}}}"),
                TemplatePart::Line => "{line}".to_owned(),
            })
            .collect()
    }
}

impl ColumnRef {
    /// A number from 1, or a name.
    pub(super) fn of(text: &str) -> Self {
        match text.parse() {
            Ok(number) if number > 0 => Self::Number(number),
            _ => Self::Name(text.to_owned()),
        }
    }
}

impl std::fmt::Display for ColumnRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "column {number}"),
            Self::Name(name) => write!(formatter, "column `{name}`"),
        }
    }
}

impl TimeFormat {
    /// The milliseconds since 1970 that a text stands for, also before it.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn parse_unix_ms(&self, text: &str) -> Result<i64, String> {
        match self {
            Self::Rfc3339 => Timestamp::parse_unix_ms(text)
                .ok_or_else(|| "it is not RFC 3339 such as `2026-01-05T09:00:00Z`".to_owned()),
            Self::Strptime { format, zone } => {
                let parsed = BrokenDownTime::parse(format, text)
                    .map_err(|error| format!("it does not fit `{format}`: {error}"))?;
                if let Ok(instant) = parsed.to_timestamp() {
                    return Ok(instant.as_millisecond());
                }
                let incomplete = |error| format!("it is no day of the calendar: {error}");
                let date = parsed.to_date().map_err(incomplete)?;
                let time = parsed.to_time().unwrap_or(civil::Time::midnight());
                let zone = find_zone(zone).ok_or_else(|| format!("`{zone}` is no zone"))?;
                let local = date.to_datetime(time);
                if date.year() < 1970 {
                    // Years before 1970 are refused by the caller whatever their zone.
                    let early = local
                        .to_zoned(jiff::tz::TimeZone::UTC)
                        .map_err(incomplete)?;
                    return Ok(early.timestamp().as_millisecond().min(-1));
                }
                instant_of(local, &zone)
                    .map(Timestamp::unix_ms)
                    .ok_or_else(|| "it lies beyond the year 9999".to_owned())
            }
        }
    }
}
