//! Every target for a moment, every kept input, and the machinery itself.

use std::time::Duration;

use crate::draw::Draw;
use crate::fuzzer::{Limits, fuzz};
use crate::minimise::minimise;
use crate::mutation::Mutator;
use crate::target::Target;
use crate::{corpus, targets};

/// Short in an ordinary run, ten minutes a target in a long one.
fn limits() -> Limits {
    if std::env::var_os("RUN_SLOW_TESTS").is_some() {
        Limits {
            time_max: Duration::from_secs(600),
            n_runs_max: u64::MAX,
        }
    } else {
        Limits {
            time_max: Duration::from_secs(30),
            n_runs_max: 250,
        }
    }
}

fn survives(name: &str) {
    let targets = targets::all();
    let target = targets.iter().find(|target| target.name() == name).unwrap();
    for (file, input) in corpus::kept(name).unwrap() {
        // Shown when it panics.
        println!("{name}: kept input {file}");
        target.run(&input);
    }
    match fuzz(target.as_ref(), 7, limits()).unwrap() {
        Ok(report) => println!("{report}"),
        Err(finding) => panic!("{finding}"),
    }
}

#[test]
fn yaml_documents_never_break_check() {
    survives("yaml");
}

#[test]
fn expressions_never_break_the_compiler() {
    survives("cel");
}

#[test]
fn event_lines_never_break_the_reader() {
    survives("event-line");
}

#[test]
fn requests_never_break_the_server() {
    survives("protobuf");
}

#[test]
fn log_recovery_never_loses_or_makes_up_an_entry() {
    survives("log-recovery");
}

#[test]
fn every_target_is_run_above() {
    let names: Vec<_> = targets::all().iter().map(|target| target.name()).collect();
    assert_eq!(
        names,
        ["yaml", "cel", "event-line", "protobuf", "log-recovery"]
    );
}

/// Panics on inputs that hold a word.
struct Picky;

impl Target for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn about(&self) -> &'static str {
        "a target with a bug"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        vec![b"a long and harmless beginning, with more behind it".to_vec()]
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &["bug"]
    }

    fn run(&self, input: &[u8]) -> u64 {
        assert!(!input.windows(3).any(|word| word == b"bug"), "found it");
        input.len() as u64
    }
}

#[test]
fn bug_is_found_made_small_and_told_with_its_seed() {
    let limits = Limits {
        time_max: Duration::from_secs(60),
        n_runs_max: 10_000,
    };
    let finding = fuzz(&Picky, 3, limits).unwrap().unwrap_err();
    assert_eq!(finding.input, b"bug");
    let told = finding.to_string();
    assert!(told.contains("--seed 3: it panicked: found it"), "{told}");
}

#[test]
fn same_seed_makes_the_same_inputs() {
    let corpus = [b"one".to_vec(), b"another".to_vec()];
    let mutator = Mutator {
        corpus: &corpus,
        dictionary: &["word"],
        size_bytes_max: 64,
    };
    let draw = |seed| -> Vec<Vec<u8>> {
        let mut draw = Draw::new(seed);
        (0..50).map(|_| mutator.make(&mut draw)).collect()
    };
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
    assert!(draw(5).iter().all(|input| input.len() <= 64));
}

#[test]
fn minimised_input_still_fails() {
    let input = b"xxxx(yyyy)zzzz";
    let smallest = minimise(input, |input| {
        input.contains(&b'(') && input.contains(&b')')
    });
    assert_eq!(smallest, b"()");
}
