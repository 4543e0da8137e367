//! Every bad input and fault with the exact answer to it, kept as the tables in `tests/refusals` that users look things up
//! in. `UPDATE_REFUSALS=1` writes them anew.

mod calls;
mod command_line;
mod configuration;
mod event_files;
mod starts;
mod webhooks;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::world::programs;

/// As a user would type it: what a shell would take apart stands in quotes.
fn typed(program: &str, arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,<>".contains(c);
        if !argument.is_empty() && argument.chars().all(is_plain) {
            (*argument).to_owned()
        } else {
            format!("'{argument}'")
        }
    });
    let words: Vec<String> = std::iter::once(program.to_owned()).chain(quoted).collect();
    words.join(" ")
}

/// Runs `journeyd start` with arguments and its data in a folder. What is refused ends by itself; should it start after
/// all, `timeout` ends it with another exit code.
fn start(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> anyhow::Result<Output> {
    let program = programs().command("journeyd");
    Ok(Command::new("timeout")
        .arg("60")
        .arg(program.get_program())
        .args(program.get_args())
        .arg("start")
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?)
}

/// The one line for the operator, without the log above it.
fn last_words(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match said.find("journeyd: ") {
        Some(at) => said[at..].to_owned(),
        None => said,
    }
}

/// The words between a reason's quotes in a source file: `=> "NODE_BUSY"`, `cause: "NODE_BUSY"`.
fn reasons_of(source: &str) -> Vec<String> {
    let quoted = source.split('"').skip(1).step_by(2);
    let is_reason =
        |word: &&str| word.len() > 4 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    quoted.filter(is_reason).map(str::to_owned).collect()
}

#[test]
fn the_index_names_every_table_and_every_reason() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("refusals");
    let index = std::fs::read_to_string(folder.join("README.md"))?;
    for entry in std::fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_named = name == "README.md" || index.contains(&format!("({name})"));
        assert!(is_named, "{name} is missing in the index");
    }
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut n_reasons = 0;
    for source in [
        "journey-server/src/error.rs",
        "journey-server/src/gate.rs",
        "journey-server/src/admission.rs",
        "journey-partition/src/core/api.rs",
    ] {
        for reason in reasons_of(&std::fs::read_to_string(crates.join(source))?) {
            n_reasons += 1;
            let is_named = index.contains(&format!("`{reason}`"));
            assert!(is_named, "{reason} of {source} is missing in the index");
        }
    }
    assert!(n_reasons > 15, "only {n_reasons} reasons were found");
    Ok(())
}
