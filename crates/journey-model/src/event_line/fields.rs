//! The fields of one object, taken one by one, with every fault named by its field.

use std::collections::BTreeMap;
use std::str::FromStr;

use journey_types::{CustomerId, InvalidId, Timestamp, Value};

use crate::line_problem::{LineProblem, bad_id};
use crate::yaml::shortened;

/// The fields of an object that are not read yet.
pub(super) struct LineFields {
    fields: BTreeMap<String, Value>,
}

impl LineFields {
    pub(super) const fn new(fields: BTreeMap<String, Value>) -> Self {
        Self { fields }
    }

    /// Whether a field is there that says something.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields
            .get(name)
            .is_some_and(|value| *value != Value::Null)
    }

    /// Takes a field; null is absent.
    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.fields
            .remove(name)
            .filter(|value| *value != Value::Null)
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, LineProblem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other @ (Value::Int(_) | Value::Double(_))) => {
                let mut problem = wrong_type(name, "text", &other);
                problem.message += "; put it in quotes";
                Err(problem)
            }
            Some(other) => Err(wrong_type(name, "text", &other)),
        }
    }

    /// Takes a text that must be there.
    pub(super) fn required_text(&mut self, name: &str) -> Result<String, LineProblem> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// Takes an id.
    pub(super) fn id<T: FromStr<Err = InvalidId>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, LineProblem> {
        let text = self.text(name)?;
        text.map(|text| parse_id(name, &text)).transpose()
    }

    /// Takes an id that must be there.
    pub(super) fn required_id<T: FromStr<Err = InvalidId>>(
        &mut self,
        name: &str,
    ) -> Result<T, LineProblem> {
        self.id(name)?.ok_or_else(|| missing(name))
    }

    /// Takes the id of a customer that is known by no other yet.
    pub(super) fn anonymous(&mut self, name: &str) -> Result<Option<CustomerId>, LineProblem> {
        let text = self.text(name)?;
        text.map(|text| CustomerId::anonymous(&text).map_err(|error| bad_id(name, &error)))
            .transpose()
    }

    /// Takes an object; absent is empty.
    pub(super) fn map(&mut self, name: &str) -> Result<BTreeMap<String, Value>, LineProblem> {
        match self.value(name) {
            None => Ok(BTreeMap::new()),
            Some(Value::Map(fields)) => Ok(fields),
            Some(other) => Err(wrong_type(name, "an object", &other)),
        }
    }

    /// Takes the first of several instants that is there.
    pub(super) fn time(&mut self, names: &[&str]) -> Result<Timestamp, LineProblem> {
        for name in names {
            match self.value(name) {
                None => {}
                Some(Value::Text(text)) => return instant(name, &text),
                Some(other) => {
                    let expected = "RFC 3339 text such as `2026-01-05T09:00:00Z`";
                    return Err(wrong_type(name, expected, &other));
                }
            }
        }
        let message = format!(
            "the event lacks `{}`, which every line of a file needs",
            names[0]
        );
        Err(LineProblem::new("missing_field", message))
    }

    /// Names of what was not taken.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// What was not taken.
    pub(super) fn rest(self) -> BTreeMap<String, Value> {
        self.fields
    }
}

pub(super) fn missing(name: &str) -> LineProblem {
    LineProblem::new("missing_field", format!("the event lacks `{name}`"))
}

pub(super) fn wrong_type(name: &str, expected: &str, found: &Value) -> LineProblem {
    let message = format!("`{name}` is {expected}, found {}", found.kind());
    LineProblem::new("wrong_type", message)
}

pub(super) fn parse_id<T: FromStr<Err = InvalidId>>(
    name: &str,
    text: &str,
) -> Result<T, LineProblem> {
    text.parse().map_err(|error| bad_id(name, &error))
}

fn instant(name: &str, text: &str) -> Result<Timestamp, LineProblem> {
    let Some(unix_ms) = Timestamp::parse_unix_ms(text) else {
        let message = format!(
            "{name} `{}` is not RFC 3339 such as `2026-01-05T09:00:00Z`",
            shortened(text)
        );
        return Err(LineProblem::new("bad_time", message));
    };
    if unix_ms < 0 {
        return Err(LineProblem::before_1970());
    }
    Ok(Timestamp::from_unix_ms(unix_ms))
}
