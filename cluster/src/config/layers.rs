//! Lays file, environment and flags over the defaults, in that order.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::{Config, ConfigError};

/// Environment variables of this prefix name keys by their path.
const PREFIX: &str = "JOURNEY__";

/// How alike a known key must be to be suggested: a slip of the pen is, another word is not.
const LIKENESS_MIN: f64 = 0.85;

/// What is laid over the defaults.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// The TOML file, if one is named.
    pub(crate) file: Option<PathBuf>,
    /// The environment, given by `main` alone.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Flags as (path, value): `("raft.heartbeat-interval", "100ms")`.
    pub(crate) flags: Vec<(&'static str, Value)>,
}

/// Puts the layers together and checks the result.
///
/// # Errors
/// [`ConfigError`] naming the file or variable and the key.
pub(crate) fn load(layers: Layers) -> Result<Config, ConfigError> {
    let mut table = match &layers.file {
        Some(path) => read(path)?,
        None => Table::new(),
    };
    // The file is checked alone first, so that its own mistakes are reported with their line.
    if let Some(path) = &layers.file {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        toml::from_str::<Config>(&text).map_err(|error| malformed(&origin, &error))?;
    }
    for (name, value) in layers.environment {
        // The prefix is ASCII: a name that is no text may still carry it.
        let name = name.to_string_lossy();
        if let Some(path) = name.strip_prefix(PREFIX) {
            let path = path.to_lowercase().replace("__", ".").replace('_', "-");
            let origin = format!("environment variable {name}");
            let refused = |reason: String| ConfigError::Malformed {
                origin: origin.clone(),
                reason,
            };
            let value = value
                .to_str()
                .ok_or_else(|| refused("its value is not UTF-8 text".to_owned()))?;
            set(&mut table, &path, scalar(value)).map_err(refused)?;
            parse_told(&mut table, &path, value).map_err(|error| malformed(&origin, &error))?;
        }
    }
    for (path, value) in layers.flags {
        set(&mut table, path, value).map_err(|reason| ConfigError::Malformed {
            origin: "flags".to_owned(),
            reason,
        })?;
    }
    let config = parse(&table).map_err(|error| malformed("flags", &error))?;
    config.validate()?;
    Ok(config)
}

fn parse(table: &Table) -> Result<Config, toml::de::Error> {
    Value::Table(table.clone()).try_into()
}

/// Checks a table in which a variable was set. What reads as a number or a flag may be meant as text, such as a zone
/// called `1`.
fn parse_told(table: &mut Table, path: &str, text: &str) -> Result<(), toml::de::Error> {
    let Err(error) = parse(table) else {
        return Ok(());
    };
    let mut as_text = table.clone();
    if set(&mut as_text, path, Value::String(text.to_owned())).is_err() || parse(&as_text).is_err()
    {
        return Err(error);
    }
    *table = as_text;
    Ok(())
}

fn malformed(origin: &str, error: &toml::de::Error) -> ConfigError {
    let mut reason = error.to_string().trim_end().to_owned();
    if let Some(known) = suggestion(error.message()) {
        reason.push_str(&format!("; did you mean `{known}`?"));
    }
    ConfigError::Malformed {
        origin: origin.to_owned(),
        reason,
    }
}

/// The known key that an unknown one is most like, from serde's own words.
fn suggestion(message: &str) -> Option<&str> {
    let (unknown, expected) = message
        .strip_prefix("unknown field `")?
        .split_once("`, expected ")?;
    let known = expected.split('`').skip(1).step_by(2);
    let ranked = known.map(|known| (strsim::jaro_winkler(unknown, known), known));
    let best = ranked.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .map(|(_, known)| known)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_path_buf(),
        source,
    })?;
    text.parse()
        .map_err(|error| malformed(&path.display().to_string(), &error))
}

/// A value of an environment variable: a boolean or whole number if it reads as one, else text.
fn scalar(text: &str) -> Value {
    if let Ok(number) = text.parse() {
        Value::Integer(number)
    } else if let Ok(flag) = text.parse() {
        Value::Boolean(flag)
    } else {
        Value::String(text.to_owned())
    }
}

/// Sets a key by its path, or says which part of the path is a value and no table.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let Some((head, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return Ok(());
    };
    let inner = table
        .entry(head)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        set(inner, rest, value)
    } else {
        Err(format!("`{head}` is a value and has no key `{rest}`"))
    }
}
