//! Every chore of the repository: `cargo xtask ci | tidy | sim | fuzz`.
//!
//! Never part of the product.
//!
//! ```text
//!   ci   = fmt, clippy, tidy, the README's test command
//!   tidy = floors, absences, file shapes
//!   sim  = the deterministic simulator, with a seed or a number of seeds
//!   fuzz = one target of the fuzzer, for so many seconds
//! ```

mod absences;
mod ci;
mod floors;
mod shapes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the journeyd repository.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Formatting, lints, tidy, then the README's test command.
    Ci,
    /// Checks floors, absences and file shapes.
    Tidy,
    /// Runs the deterministic simulator; arguments are passed on, such as `--seed 7` or `--seeds 200`.
    Sim {
        /// Arguments of the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fuzzes one target: `log-recovery --seconds 600 --seed 1`; `list` names all.
    Fuzz {
        /// Arguments of the fuzzer.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.chore {
        Chore::Ci => ci::run(&root()),
        Chore::Tidy => tidy(&root()),
        Chore::Sim { arguments } => ci::sim(&root(), &arguments),
        Chore::Fuzz { arguments } => ci::fuzz(&root(), &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .unwrap_or(manifest)
        .to_path_buf()
}

/// Runs every tidy check and reports all findings, not the first.
fn tidy(root: &Path) -> anyhow::Result<()> {
    let mut findings = floors::check(root)?;
    findings.extend(absences::check(root)?);
    findings.extend(shapes::check(root)?);
    if findings.is_empty() {
        eprintln!("tidy: fine");
        return Ok(());
    }
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    anyhow::bail!("{} findings", findings.len())
}
