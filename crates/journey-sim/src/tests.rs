//! The simulation in the ordinary test run, and the named seeds of DESIGN section 11 that one node can show.

use std::collections::BTreeMap;

use crate::{Faults, SimOptions, Summary, simulate};

const N_SEEDS: u64 = 200;

fn run(options: &SimOptions) -> Summary {
    simulate(options).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn two_hundred_seeds_keep_every_promise_and_every_fault_happens() {
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut n_accepted, mut n_hand_overs, mut n_timers_fired) = (0, 0, 0);
    for seed in 0..N_SEEDS {
        let summary = run(&SimOptions::of_seed(seed));
        for (fault, n) in summary.faults {
            *faults.entry(fault).or_insert(0) += n;
        }
        n_accepted += summary.n_accepted;
        n_hand_overs += summary.n_hand_overs;
        n_timers_fired += summary.n_timers_fired;
    }
    for fault in [
        "refused",
        "lost",
        "lost and landed",
        "landed late",
        "leadership unproven",
        "repeated",
        "leader change",
        "power cut",
        "torn checkpoint",
        "clock step",
    ] {
        assert!(
            faults.get(fault).is_some_and(|n| *n > 0),
            "{fault} never happened: {faults:?}"
        );
    }
    assert!(
        n_accepted > 1_000 && n_hand_overs > 100 && n_timers_fired > 100,
        "the runs do too little"
    );
}

#[test]
fn two_runs_of_one_seed_are_identical() {
    let options = SimOptions::of_seed(42);
    assert_eq!(run(&options), run(&options));
}

/// Openraft may refuse batch k and accept batch k+1 in the same term: the chain voids what follows the gap.
#[test]
fn refused_then_accepted_in_one_term() {
    let faults = Faults {
        refusals: true,
        ..Faults::NONE
    };
    for seed in 0..20 {
        run(&SimOptions {
            faults,
            ..SimOptions::of_seed(1_000 + seed)
        });
    }
}

/// A duplicate that arrives while its first is in flight is answered only after that is applied; a lost first leaves
/// no duplicate behind.
#[test]
fn duplicate_while_speculative() {
    let faults = Faults {
        losses: true,
        refusals: true,
        ..Faults::NONE
    };
    for seed in 0..20 {
        run(&SimOptions {
            n_customers: 1,
            faults,
            ..SimOptions::of_seed(2_000 + seed)
        });
    }
}

/// A power cut drops what was not synced in log and state; acknowledged events and applied state agree afterwards, and
/// no state lies ahead of the log.
#[test]
fn power_cut_and_no_state_ahead_of_the_log() {
    let faults = Faults {
        power_cuts: true,
        ..Faults::NONE
    };
    for seed in 0..20 {
        run(&SimOptions {
            faults,
            ..SimOptions::of_seed(3_000 + seed)
        });
    }
}

/// A leader that comes back decides only after everything before its session is applied.
#[test]
fn leader_restored_with_a_tail() {
    let faults = Faults {
        leader_changes: true,
        repeats: true,
        ..Faults::NONE
    };
    for seed in 0..20 {
        run(&SimOptions {
            faults,
            ..SimOptions::of_seed(4_000 + seed)
        });
    }
}
