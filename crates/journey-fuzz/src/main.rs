//! Throws mutated inputs at everything that reads what others wrote, for as long as wanted: `cargo xtask fuzz TARGET`.
//!
//! Never part of the product; needs no nightly compiler. One file per target in `targets/`.
//!
//! ```text
//!   corpus (built in, `corpus/<target>/`) ─► mutate: flip, insert, remove, repeat, dictionary, splice
//!        ▲ an input with an outcome not seen before          │
//!        └──────────────────── target ◄──────────────────────┘
//!                                │ panic, or too slow
//!                                ▼
//!                  made smaller, printed, with the seed that repeats it
//! ```
//!
//! Start at [`target::Target`] to add a target, and at [`fuzzer::fuzz`] for the loop.

mod corpus;
mod draw;
mod fuzzer;
mod minimise;
mod mutation;
mod target;
mod targets;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::fuzzer::{Limits, fuzz};
use self::target::Target;

/// Fuzzes one target.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which target; `list` names all.
    target: String,
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the draws begin; the same seed makes the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps so many of the smallest inputs with an outcome of their own as files, for the tests to run.
    #[arg(long, default_value_t = 0)]
    keep: usize,
    /// Runs this one input from a file instead.
    #[arg(long)]
    input: Option<std::path::PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("journey-fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let targets = targets::all();
    if arguments.target == "list" {
        for target in &targets {
            eprintln!("{:16} {}", target.name(), target.about());
        }
        return Ok(());
    }
    let target = targets
        .iter()
        .find(|target| target.name() == arguments.target);
    let target: &dyn Target = match target {
        Some(target) => target.as_ref(),
        None => anyhow::bail!("no target {:?}; `list` names all", arguments.target),
    };
    if let Some(path) = &arguments.input {
        let outcome = target.run(&std::fs::read(path)?);
        eprintln!("outcome {outcome:016x}");
        return Ok(());
    }
    let limits = Limits {
        time_max: Duration::from_secs(arguments.seconds),
        n_runs_max: u64::MAX,
    };
    match fuzz(target, arguments.seed, limits)? {
        Ok(report) => {
            eprintln!("{report}");
            let n_kept = corpus::keep(target.name(), report.found, arguments.keep)?;
            if n_kept > 0 {
                let folder = corpus::folder(target.name());
                eprintln!("{n_kept} inputs kept in {}", folder.display());
            }
            Ok(())
        }
        Err(finding) => anyhow::bail!("{finding}"),
    }
}

#[cfg(test)]
mod tests;
