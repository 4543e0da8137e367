//! The simulation in the ordinary test run, and the named seeds of DESIGN section 11 that one node can show.

use std::collections::BTreeMap;

use crate::{Fate, Faults, SessionEnd, SimOptions, Summary, simulate};

const N_SEEDS: u64 = 200;

fn run(options: &SimOptions) -> Summary {
    simulate(options).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn two_hundred_seeds_keep_every_promise_and_every_fault_happens() {
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut n_accepted, mut n_hand_overs, mut n_timers_fired) = (0, 0, 0);
    let (mut n_enrolled, mut n_work_done) = (0, 0);
    for seed in 0..N_SEEDS {
        let summary = run(&SimOptions::of_seed(seed));
        for (fault, n) in summary.faults {
            *faults.entry(fault).or_insert(0) += n;
        }
        n_accepted += summary.n_accepted;
        n_hand_overs += summary.n_hand_overs;
        n_timers_fired += summary.n_timers_fired;
        n_enrolled += summary.n_enrolled;
        n_work_done += summary.n_work_done;
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
        "clock jump",
        "clock held",
        "panic",
        "parked",
        "order broken",
        "reported late",
        "turn on a head in flight",
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
    assert!(
        n_enrolled > 100 && n_work_done > 100,
        "{n_enrolled} enroll calls and {n_work_done} answers are too few"
    );
}

/// The session may end at any point whatever: with every proposal, in every way, and before every input of the core.
#[test]
fn a_session_may_end_at_every_point() {
    let script = |seed, end| SimOptions {
        n_steps: 90,
        n_customers: 2,
        faults: Faults {
            panics: true,
            ..Faults::NONE
        },
        end,
        ..SimOptions::of_seed(seed)
    };
    let fates = [
        Fate::Refused,
        Fate::Lost,
        Fate::LostAndLanded,
        Fate::LostAndLate,
    ];
    let mut n_points = 0;
    let mut n_on_head = 0;
    for seed in 5_000..5_003 {
        let at_proposal = |fate| move |n| SessionEnd::Proposal(n, fate);
        for fate in fates {
            n_points += end_at_each_point(at_proposal(fate), |end| script(seed, Some(end)));
        }
        n_points += end_at_each_point(SessionEnd::BeforeInput, |end| script(seed, Some(end)));
        let faults = run(&script(seed, None)).faults;
        n_on_head += faults.get("turn on a head in flight").copied().unwrap_or(0);
    }
    assert!(n_points > 300 && n_on_head > 5, "{n_points} {n_on_head}");
}

/// Runs a script once for each point until it has no more of them; answers how many there were.
fn end_at_each_point(
    point: impl Fn(u64) -> SessionEnd,
    script: impl Fn(SessionEnd) -> SimOptions,
) -> u64 {
    let mut n = 1;
    while run(&script(point(n))).reached_end {
        n += 1;
    }
    n - 1
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

/// What a producer sends in order takes effect in order, whatever is refused, lost, or cut off in between.
#[test]
fn ordered_events_keep_their_order() {
    let faults = Faults {
        panics: false,
        ..Faults::ALL
    };
    for seed in 0..20 {
        run(&SimOptions {
            n_customers: 2,
            faults,
            ..SimOptions::of_seed(6_000 + seed)
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
