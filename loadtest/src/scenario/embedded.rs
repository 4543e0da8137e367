//! The scenarios that come with the program, so that `loadtest run advance` works from anywhere.

use std::path::Path;

use anyhow::Context as _;

use super::{Scenario, parse};

/// Name and text, in the order in which they are listed.
const EMBEDDED: [(&str, &str); 12] = [
    ("ingest", include_str!("../../scenarios/ingest.toml")),
    ("advance", include_str!("../../scenarios/advance.toml")),
    ("unary", include_str!("../../scenarios/unary.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
    ("timers", include_str!("../../scenarios/timers.toml")),
    ("hot", include_str!("../../scenarios/hot.toml")),
    ("burst", include_str!("../../scenarios/burst.toml")),
    ("overload", include_str!("../../scenarios/overload.toml")),
    ("restart", include_str!("../../scenarios/restart.toml")),
    (
        "replication",
        include_str!("../../scenarios/replication.toml"),
    ),
    ("history", include_str!("../../scenarios/history.toml")),
    ("soak", include_str!("../../scenarios/soak.toml")),
];

/// Names of all.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

/// The file of one.
pub(crate) fn text_of(name: &str) -> Option<&'static str> {
    let found = EMBEDDED.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// Reads one by its name, or a file.
///
/// # Errors
/// With the names there are, or with every problem of the file.
pub(crate) fn load(name: &str) -> anyhow::Result<Scenario> {
    if let Some(text) = text_of(name) {
        return parse(name, text);
    }
    let path = Path::new(name);
    if !path.is_file() {
        anyhow::bail!(crate::run::unknown(name));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
    let stem = path
        .file_stem()
        .map_or(name.into(), |stem| stem.to_string_lossy());
    parse(&stem, &text)
}
