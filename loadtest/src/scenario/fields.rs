//! Reads one table of a scenario file and reports everything that is wrong with it, not the first thing.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::{Table, Value};

/// How alike a known key must be to be suggested: a slip of the pen is, another word is not.
const LIKENESS_MIN: f64 = 0.75;

/// The fields of one table. Each is taken once; what is left at the end is unknown.
pub(crate) struct Fields<'a> {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    problems: &'a mut Vec<String>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(path: &str, table: Table, problems: &'a mut Vec<String>) -> Self {
        let path = path.to_owned();
        let known = Vec::new();
        Self {
            path,
            table,
            known,
            problems,
        }
    }

    /// Notes a problem with a field.
    pub(crate) fn problem(&mut self, key: &str, text: &str) {
        let at = match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        };
        self.problems.push(format!("{at}: {text}"));
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn missing(&mut self, key: &'static str) {
        self.problem(key, "is missing");
    }

    pub(crate) fn text(&mut self, key: &'static str, default: Option<&str>) -> String {
        match (self.take(key), default) {
            (Some(Value::String(text)), _) => return text,
            (Some(other), _) => {
                let text = format!("must be text, not {}", other.type_str());
                self.problem(key, &text);
            }
            (None, Some(default)) => return default.to_owned(),
            (None, None) => self.missing(key),
        }
        String::new()
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let default = words.first().map(|(word, _)| *word);
        let text = self.text(key, default);
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() && !text.is_empty() {
            let all: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let said = format!("`{text}` is none of {}", all.join(", "));
            self.problem(key, &said);
        }
        found.map(|(_, value)| *value)
    }

    pub(crate) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            Some(Value::Boolean(value)) => value,
            None => default,
            Some(_) => {
                self.problem(key, "must be true or false");
                default
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(
        &mut self,
        key: &'static str,
        default: Option<i64>,
        bounds: RangeInclusive<i64>,
    ) -> i64 {
        match (self.take(key), default) {
            (Some(Value::Integer(n)), _) if bounds.contains(&n) => n,
            (Some(value), _) => {
                let (low, high) = (bounds.start(), bounds.end());
                let text = format!("must be a whole number from {low} to {high}, not {value}");
                self.problem(key, &text);
                *bounds.start()
            }
            (None, Some(default)) => default,
            (None, None) => {
                self.missing(key);
                *bounds.start()
            }
        }
    }

    /// The same, with a type that holds the bounds.
    pub(crate) fn number<T: TryFrom<i64> + Default>(
        &mut self,
        key: &'static str,
        default: Option<i64>,
        bounds: RangeInclusive<i64>,
    ) -> T {
        T::try_from(self.integer(key, default, bounds)).unwrap_or_default()
    }

    /// A number that may have a fraction.
    pub(crate) fn real(&mut self, key: &'static str, default: f64, high: f64) -> f64 {
        let value = match self.take(key) {
            Some(Value::Float(value)) => value,
            Some(Value::Integer(value)) => value as f64,
            Some(_) => -1.0,
            None => return default,
        };
        if (0.0..=high).contains(&value) {
            return value;
        }
        let text = format!("must be a number from 0 to {high}");
        self.problem(key, &text);
        default
    }

    /// A span such as `10s` or `500ms`.
    pub(crate) fn span(&mut self, key: &'static str, default: &str) -> Duration {
        let text = self.text(key, Some(default));
        match journey_types::TimeSpan::parse(&text) {
            Ok(span) => Duration::from_millis(u64::try_from(span.ms()).unwrap_or(0)),
            Err(reason) => {
                self.problem(key, &reason);
                Duration::ZERO
            }
        }
    }

    pub(crate) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let values = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem(key, "must be a list of texts");
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for value in values {
            match value {
                Value::String(text) => texts.push(text),
                other => self.problem(key, &format!("holds {other}, which is no text")),
            }
        }
        texts
    }

    /// A table, empty where there is none.
    pub(crate) fn table(&mut self, key: &'static str) -> Table {
        match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.problem(key, "must be a table");
                Table::new()
            }
        }
    }

    /// A list of tables.
    pub(crate) fn tables(&mut self, key: &'static str) -> Vec<Table> {
        let values = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem(key, "must be a list of tables");
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for value in values {
            match value {
                Value::Table(table) => tables.push(table),
                other => self.problem(key, &format!("holds {other}, which is no table")),
            }
        }
        tables
    }

    /// The list that problems go to, for an inner table.
    pub(crate) const fn problems(&mut self) -> &mut Vec<String> {
        self.problems
    }

    /// Whatever was not taken is unknown.
    pub(crate) fn end(mut self) {
        let left: Vec<String> = self.table.keys().cloned().collect();
        for key in left {
            let alike = self
                .known
                .iter()
                .map(|known| (strsim::jaro_winkler(known, &key), *known))
                .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let text = match alike {
                Some((_, known)) => format!("is no key here; did you mean `{known}`?"),
                None => format!("is no key here; there are {}", self.known.join(", ")),
            };
            self.problem(&key, &text);
        }
    }
}
