//! Trials from seeds: few in an ordinary run, ten minutes of them in a long one.

use std::time::{Duration, Instant};

use super::{TrialOutcome, log_trial};

const TRIALS: u64 = 300;
const TIME_SLOW: Duration = Duration::from_secs(600);
const SCRIPT_BYTES_MAX: u64 = 200;

/// splitmix64.
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a long run of a test lasts for a real time"
)]
fn now() -> Instant {
    Instant::now()
}

fn script(seed: u64) -> Vec<u8> {
    let length = mix(seed) % SCRIPT_BYTES_MAX;
    let bytes = (1..=length).map(|at| mix(seed.wrapping_mul(1_000_003) + at).to_be_bytes()[0]);
    bytes.collect()
}

#[test]
fn recovered_log_is_what_was_written_or_is_refused() {
    let is_slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    let started = now();
    let mut sum = TrialOutcome::default();
    let mut n_trials = 0;
    while n_trials < TRIALS || is_slow && started.elapsed() < TIME_SLOW {
        // Shown when it panics.
        println!("trial {n_trials}");
        let outcome = log_trial(&script(n_trials));
        sum.n_cuts += outcome.n_cuts;
        sum.n_refused += outcome.n_refused;
        sum.n_harmless += outcome.n_harmless;
        sum.n_torn += outcome.n_torn;
        n_trials += 1;
    }
    println!("{n_trials} trials: {sum:?}");
    let is_covered = sum.n_cuts > 0 && sum.n_refused > 0 && sum.n_harmless > 0 && sum.n_torn > 0;
    assert!(is_covered, "nothing happened: {sum:?}");
}
