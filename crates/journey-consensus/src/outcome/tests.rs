//! Callbacks run exactly once and room is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::{Answer, InFlight, ProposeOutcome};
use crate::limits::{PROPOSALS_IN_FLIGHT_BYTES_MAX, PROPOSALS_IN_FLIGHT_MAX};

#[test]
fn dropped_answer_is_lost_and_given_answer_is_final() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let answer = || {
        let heard = Arc::clone(&heard);
        Answer::to_proposal(Box::new(move |outcome| heard.lock().push(outcome)), None)
    };
    drop(answer());
    answer().give(ProposeOutcome::Applied { index: 7 });
    assert_eq!(
        *heard.lock(),
        [ProposeOutcome::Lost, ProposeOutcome::Applied { index: 7 }]
    );
}

#[test]
fn room_is_bounded_by_count_and_bytes_and_comes_back_before_the_callback() {
    let in_flight = InFlight::default();
    let permits: Vec<_> = (0..PROPOSALS_IN_FLIGHT_MAX)
        .map(|_| in_flight.admit(1).unwrap())
        .collect();
    assert!(in_flight.admit(1).unwrap_err().contains("in flight"));
    drop(permits);
    let all = in_flight.admit(PROPOSALS_IN_FLIGHT_BYTES_MAX).unwrap();
    assert!(in_flight.admit(1).is_err());
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let (observed, inside) = (Arc::clone(&seen), in_flight);
    let done = Box::new(move |_| observed.store(inside.n_proposals(), Ordering::SeqCst));
    Answer::to_proposal(done, Some(all)).give(ProposeOutcome::Lost);
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}
