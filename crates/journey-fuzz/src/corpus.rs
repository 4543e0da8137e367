//! The inputs kept of each target: small ones, each worth a test of its own.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::target::outcome_of;

/// Where a target's inputs lie, a file each.
pub(crate) fn folder(target: &str) -> PathBuf {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_folder.join("corpus").join(target)
}

/// The kept inputs of a target, in the order of their names.
///
/// # Errors
/// When its folder cannot be read; one that is not there is an empty one.
pub(crate) fn kept(target: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let folder = folder(target);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Ok(Vec::new());
    };
    let mut inputs = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("reading {}", folder.display()))?
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let input = std::fs::read(&path);
        inputs.push((
            name,
            input.with_context(|| format!("reading {}", path.display()))?,
        ));
    }
    inputs.sort();
    Ok(inputs)
}

/// Keeps the smallest of these inputs, each in a file named by what it holds; tells how many.
///
/// # Errors
/// When its folder cannot be written.
pub(crate) fn keep(target: &str, mut found: Vec<Vec<u8>>, n_max: usize) -> anyhow::Result<usize> {
    found.sort_by_key(Vec::len);
    found.truncate(n_max);
    if found.is_empty() {
        return Ok(0);
    }
    let folder = folder(target);
    let writing = || format!("writing {}", folder.display());
    std::fs::create_dir_all(&folder).with_context(writing)?;
    for input in &found {
        let name = format!("{:016x}", outcome_of(input));
        std::fs::write(folder.join(name), input).with_context(writing)?;
    }
    Ok(found.len())
}
