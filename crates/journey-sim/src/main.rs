//! `cargo xtask sim`: runs seeds of the simulation and prints what broke.

use std::process::ExitCode;

use clap::Parser;
use journey_sim::{SimOptions, simulate};

/// Runs the deterministic simulation.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this one seed, twice, and compare.
    #[arg(long)]
    seed: Option<u64>,
    /// Run this many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Steps with faults of each run.
    #[arg(long, default_value_t = 600)]
    steps: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Panics are part of the runs; a run that breaks is reported with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let options = |seed| SimOptions {
        n_steps: arguments.steps,
        ..SimOptions::of_seed(seed)
    };
    let seeds: Vec<u64> = match arguments.seed {
        Some(seed) => vec![seed, seed],
        None => (arguments.from..arguments.from + arguments.seeds).collect(),
    };
    let mut n_broken = 0_u64;
    let mut last = None;
    for seed in &seeds {
        match simulate(&options(*seed)) {
            Ok(summary) => {
                if arguments.seed.is_some() {
                    if last.as_ref().is_some_and(|last| *last != summary) {
                        eprintln!("seed {seed}: two runs differ");
                        n_broken += 1;
                    }
                    eprintln!("{summary:#?}");
                    last = Some(summary);
                }
            }
            Err(violation) => {
                eprintln!("{violation}");
                n_broken += 1;
            }
        }
    }
    eprintln!("{} runs, {n_broken} broken", seeds.len());
    if n_broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
