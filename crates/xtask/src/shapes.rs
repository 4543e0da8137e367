//! Shapes of files: an opening sentence, a bounded length, self-named modules, and the README's commands.

use std::path::{Path, PathBuf};

use crate::ci::TEST_COMMAND;

/// Lines of a source file (tests excepted): beyond it the file has more than one subject.
const LINES_MAX: usize = 600;
/// The README's run command.
const RUN_COMMAND: &str = "cargo run --release --bin journeyd -- demo";
/// Folders that may lie at the top.
const TOP_FOLDERS: &[&str] = &["cluster", "crates", "loadtest", "proto", "tests"];
/// Files that must lie at the top.
const TOP_FILES: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "deny.toml",
];

/// Finds files of a wrong shape.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in rust_files(root)? {
        let path = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let text = std::fs::read_to_string(&file)?;
        if !text.starts_with("//!") {
            findings.push(format!(
                "{path}: does not open with a `//!` sentence that says what it is for"
            ));
        }
        let n_lines = text.lines().count();
        if n_lines > LINES_MAX && !is_test(&path) {
            findings.push(format!(
                "{path}: {n_lines} lines, at most {LINES_MAX}; one subject a file"
            ));
        }
        if path.ends_with("/mod.rs") && !path.starts_with("tests/") {
            findings.push(format!(
                "{path}: modules are self-named (foo.rs beside foo/)"
            ));
        }
    }
    for name in TOP_FILES {
        if !root.join(name).is_file() {
            findings.push(format!("{name} is missing at the top"));
        }
    }
    for name in TOP_FOLDERS {
        if !root.join(name).is_dir() {
            findings.push(format!("folder {name}/ is missing at the top"));
        }
    }
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap_or_default();
    for command in [RUN_COMMAND, TEST_COMMAND] {
        if !readme.contains(command) {
            findings.push(format!("README.md does not name the command `{command}`"));
        }
    }
    Ok(findings)
}

/// Whether a path belongs to tests.
pub(crate) fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// All Rust files of the repository, sorted.
pub(crate) fn rust_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for top in ["crates", "cluster", "loadtest", "tests"] {
        collect(&root.join(top), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
