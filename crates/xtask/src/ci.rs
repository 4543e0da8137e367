//! The whole check, step by step, each announced with the command that repeats it.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// The test command of the README; [`crate::shapes`] checks that the README says the same.
pub(crate) const TEST_COMMAND: &str = "cargo test --workspace --locked";

/// Formatting, lints, tidy, tests.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    step(root, "cargo fmt --all --check")?;
    step(
        root,
        "cargo clippy --workspace --all-targets --locked -- -D warnings",
    )?;
    eprintln!("==> cargo xtask tidy");
    crate::tidy(root)?;
    step(root, TEST_COMMAND)
}

/// Runs the simulator as the tests build it: with overflow checks and debug assertions, and there without a long wait.
pub(crate) fn sim(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    run_package(root, "journey-sim", arguments)
}

/// Runs the fuzzer likewise.
pub(crate) fn fuzz(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    run_package(root, "journey-fuzz", arguments)
}

fn run_package(root: &Path, package: &str, arguments: &[String]) -> anyhow::Result<()> {
    let mut line = format!("cargo run --quiet --package {package} --");
    for argument in arguments {
        line.push(' ');
        line.push_str(argument);
    }
    step(root, &line)
}

fn step(root: &Path, line: &str) -> anyhow::Result<()> {
    eprintln!("==> {line}");
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    let status = Command::new(program)
        .args(words)
        .current_dir(root)
        .status()
        .with_context(|| format!("starting `{line}`"))?;
    anyhow::ensure!(
        status.success(),
        "`{line}` failed ({status}); run it alone to see why"
    );
    Ok(())
}
