//! Journey files from paths: files as they are, folders with every `.yaml` and `.yml` below them, in name order.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use journey_client::wire::SourceFile;

/// Files of one folder tree that are read at most: more is a mistaken path, such as a home folder.
const FILES_MAX: usize = 1_000;

/// Reads every file the paths name.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, true, &mut files)?;
    }
    anyhow::ensure!(
        !files.is_empty(),
        "no .yaml or .yml file there; name files or folders with journeys"
    );
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("reading {}", path.display()))?;
            Ok(SourceFile {
                name: path.display().to_string(),
                text,
            })
        })
        .collect()
}

fn collect(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_dir() {
        let mut entries = std::fs::read_dir(path)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.path()))
                    .collect::<std::io::Result<Vec<_>>>()
            })
            .with_context(|| format!("listing {}", path.display()))?;
        entries.sort();
        for entry in entries {
            collect(&entry, false, files)?;
        }
        return Ok(());
    }
    let is_yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    if named || is_yaml {
        match std::fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                anyhow::bail!("{} does not exist", path.display());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", path.display()));
            }
        }
        anyhow::ensure!(
            files.len() < FILES_MAX,
            "more than {FILES_MAX} files; name a smaller folder"
        );
        files.push(path.to_path_buf());
    }
    Ok(())
}

/// The same files in the form the checker takes.
pub(crate) fn for_model(files: &[SourceFile]) -> Vec<journey_model::Source> {
    let source = |file: &SourceFile| journey_model::Source {
        name: file.name.clone(),
        text: file.text.clone(),
    };
    files.iter().map(source).collect()
}

#[cfg(test)]
mod tests;
