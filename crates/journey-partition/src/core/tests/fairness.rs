//! One noisy workspace beside a quiet one.

use journey_types::TimeSpan;

use super::bed::{Bed, ingest_in};
use crate::core::Answer;

/// Turns in flight up to the bound, and behind them a crowd of one workspace.
fn crowded(mut bed: Bed, n_noisy: usize) -> Bed {
    let crowd = (0..n_noisy).map(|n| ingest_in("noisy", &format!("n{n}"), "seen", bed.now));
    bed.submit(crowd.collect());
    bed
}

#[test]
fn a_quiet_workspace_has_its_turn_beside_a_crowd_of_another() {
    let mut bed = crowded(Bed::leading(), 3_000);
    assert!(!bed.proposed.is_empty());
    let quiet = bed.send_in("quiet", "q", "seen");
    // What was in flight when it came, and the batch after that.
    let n_in_flight = bed.proposed.len();
    for _ in 0..=n_in_flight {
        assert!(bed.answer(quiet).is_none());
        bed.commit();
    }
    assert!(matches!(bed.answer(quiet), Some(Answer::Done { .. })));
    bed.commit_all();
    assert_eq!(bed.n_accepted(), 3_001);
}

#[test]
fn what_must_be_read_from_rows_does_not_hold_back_what_is_in_memory() {
    let paced = Bed::with(|options| options.memory.cold_loads_per_second_max = Some(10));
    let mut bed = paced.lead();
    bed.send_in("quiet", "q", "seen");
    bed.commit_all();
    let mut bed = crowded(bed, 200);
    bed.commit_all();
    assert!(bed.n_accepted() < 30, "reading is paced");
    let again = bed.send_in("quiet", "q", "seen");
    let other_of_quiet = bed.send_in("quiet", "r", "seen");
    bed.commit_all();
    assert!(matches!(bed.answer(again), Some(Answer::Done { .. })));
    assert!(bed.answer(other_of_quiet).is_none());
    // A cold one of the quiet workspace waits for the next read, not for the whole crowd.
    bed.pass(TimeSpan::from_ms(250));
    bed.commit_all();
    assert!(matches!(
        bed.answer(other_of_quiet),
        Some(Answer::Done { .. })
    ));
    assert!(bed.n_accepted() < 30);
    bed.pass(TimeSpan::from_secs(30));
    bed.commit_all();
    assert_eq!(bed.n_accepted(), 202);
}
