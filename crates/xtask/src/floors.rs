//! A crate depends only on crates of lower floors (STYLE section 2), read from `cargo metadata`.

use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::MetadataCommand;

/// Floor of each crate, lowest first.
const FLOORS: &[(&str, u8)] = &[
    ("journey-types", 0),
    ("journey-proto", 0),
    ("journey-model", 1),
    ("journey-customer", 2),
    ("journey-storage", 3),
    ("journey-codec", 3),
    ("journey-wire", 3),
    ("journey-delivery", 3),
    ("journey-partition", 4),
    ("journey-consensus", 5),
    ("journey-server", 6),
    ("journey-client", 6),
    ("journey-cli", 7),
    ("journey-sim", 8),
    ("cluster", 8),
    ("journey-fuzz", 9),
    ("loadtest", 9),
    ("tests", 10),
    ("xtask", 8),
];

/// Finds dependencies that point sideways or up, and crates without a floor.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .context("reading `cargo metadata`")?;
    let floor_of = |name: &str| {
        FLOORS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, floor)| *floor)
    };
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(floor) = floor_of(name) else {
            findings.push(format!(
                "crate {name} has no floor; give it one in crates/xtask/src/floors.rs"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(below) = floor_of(&dependency.name)
                && below >= floor
            {
                findings.push(format!(
                    "{name} (floor {floor}) depends on {} (floor {below}); a crate depends only on lower floors",
                    dependency.name
                ));
            }
        }
        let folder = package
            .manifest_path
            .parent()
            .and_then(|path| path.file_name());
        if folder != Some(name) {
            findings.push(format!(
                "crate {name} lies in a folder of another name ({folder:?})"
            ));
        }
    }
    Ok(findings)
}
