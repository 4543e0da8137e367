//! The loop: mutate, run, keep what is new, stop at the first failure.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::corpus;
use crate::draw::Draw;
use crate::minimise::minimise;
use crate::mutation::Mutator;
use crate::target::Target;

/// Inputs kept at most in one run.
const CORPUS_INPUTS_MAX: usize = 4_096;
/// One input may take so long, also on a busy machine and without optimisation.
const RUN_TIME_MAX: Duration = Duration::from_secs(10);

/// Linux counts processor time in hundredths of a second.
const TICK_MS: u64 = 10;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) time_max: Duration,
    pub(crate) n_runs_max: u64,
}

/// A run without a failure.
#[derive(Debug)]
pub(crate) struct Report {
    target: &'static str,
    pub(crate) n_runs: u64,
    time: Duration,
    n_outcomes: usize,
    slowest: Duration,
    /// Inputs found whose outcome no earlier one had.
    pub(crate) found: Vec<Vec<u8>>,
}

/// An input that fails.
#[derive(Debug)]
pub(crate) struct Finding {
    target: &'static str,
    seed: u64,
    n_runs: u64,
    problem: String,
    pub(crate) input: Vec<u8>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} inputs in {} s, {} outcomes, the slowest took {} ms; no failure",
            self.target,
            self.n_runs,
            self.time.as_secs(),
            self.n_outcomes,
            self.slowest.as_millis()
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = corpus::folder(self.target);
        write!(
            formatter,
            "{} fails after {} inputs with --seed {}: {}\n  input: {}\n  keep it as a file in {}, and `--input FILE` runs it alone",
            self.target,
            self.n_runs,
            self.seed,
            self.problem,
            self.input.escape_ascii(),
            folder.display()
        )
    }
}

/// Runs a target until a limit is reached or an input fails.
///
/// # Errors
/// When its corpus cannot be read.
pub(crate) fn fuzz(
    target: &dyn Target,
    seed: u64,
    limits: Limits,
) -> anyhow::Result<Result<Report, Finding>> {
    let mut inputs = target.seeds();
    inputs.extend(
        corpus::kept(target.name())?
            .into_iter()
            .map(|(_, input)| input),
    );
    if inputs.is_empty() {
        inputs.push(Vec::new());
    }
    let started = now();
    let mut draw = Draw::new(seed);
    let mut outcomes = BTreeSet::new();
    let mut report = Report {
        target: target.name(),
        n_runs: 0,
        time: Duration::ZERO,
        n_outcomes: 0,
        slowest: Duration::ZERO,
        found: Vec::new(),
    };
    let n_first = inputs.len();
    let mut first = inputs.clone().into_iter();
    while report.n_runs < limits.n_runs_max && started.elapsed() < limits.time_max {
        let input = first.next().unwrap_or_else(|| {
            let mutator = Mutator {
                corpus: &inputs,
                dictionary: target.dictionary(),
                size_bytes_max: target.size_bytes_max(),
            };
            mutator.make(&mut draw)
        });
        report.n_runs += 1;
        let run_started = now();
        let outcome = run_guarded(target, &input);
        let took = run_started.elapsed();
        report.slowest = report.slowest.max(took);
        let problem = match outcome {
            Ok(outcome) if took <= RUN_TIME_MAX => {
                if outcomes.insert(outcome) && inputs.len() < CORPUS_INPUTS_MAX {
                    inputs.push(input);
                }
                continue;
            }
            // A busy machine may have held it up: only what takes so long of the processor's own time is a finding.
            Ok(_) if is_quick(target, &input) => continue,
            Ok(_) => format!("it took {} ms, and is slow again", took.as_millis()),
            Err(panic) => panic,
        };
        // What is slow comes back as it is: to make it smaller would take hours.
        let input = minimise_panic(target, input);
        return Ok(Err(Finding {
            target: target.name(),
            seed,
            n_runs: report.n_runs,
            problem,
            input,
        }));
    }
    report.found = inputs.split_off(n_first.min(inputs.len()));
    report.time = started.elapsed();
    report.n_outcomes = outcomes.len();
    Ok(Ok(report))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a fuzzer runs for a real time and belongs to no node"
)]
fn now() -> Instant {
    Instant::now()
}

fn is_quick(target: &dyn Target, input: &[u8]) -> bool {
    let used_before = processor_time();
    let started = now();
    let is_sound = run_guarded(target, input).is_ok();
    let took = match (used_before, processor_time()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        (None, _) | (_, None) => started.elapsed(),
    };
    is_sound && took <= RUN_TIME_MAX
}

/// What this process has had of the processors so far; `None` where the system does not tell.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may hold anything: state, and further on user and system time in ticks.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let n_ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(n_ticks * TICK_MS))
}

fn minimise_panic(target: &dyn Target, input: Vec<u8>) -> Vec<u8> {
    let panics = |input: &[u8]| run_guarded(target, input).is_err();
    if panics(&input) {
        minimise(&input, panics)
    } else {
        input
    }
}

fn run_guarded(target: &dyn Target, input: &[u8]) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| target.run(input))).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        format!(
            "it panicked: {}",
            text.unwrap_or_else(|| "no message".to_owned())
        )
    })
}
