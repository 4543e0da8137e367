//! What counts as a wedge, and when it is over.

use std::time::Duration;

use super::{ProgressWatch, STANDSTILL_MAX, Sample};
use crate::clock::monotonic_now;

fn sample(position: u64, has_work: bool) -> Vec<Sample> {
    vec![Sample {
        subject: "partition 1: applying".to_owned(),
        position,
        has_work,
        reason: "applied stands at 7 while its log has 9".to_owned(),
        standstill_max: STANDSTILL_MAX,
    }]
}

#[test]
fn what_has_work_and_stands_still_is_flagged_and_cleared_when_it_moves() {
    let mut watch = ProgressWatch::default();
    let start = monotonic_now();
    assert!(watch.look(start, sample(7, true)).is_empty());
    let soon = start + STANDSTILL_MAX - Duration::from_millis(1);
    assert!(watch.look(soon, sample(7, true)).is_empty());
    let late = start + STANDSTILL_MAX;
    let wedges = watch.look(late, sample(7, true));
    assert_eq!(wedges.len(), 1);
    assert!(wedges[0].reason.contains("stands at 7") && wedges[0].reason.contains("for 3 s"));
    assert!(watch.look(late, sample(8, true)).is_empty(), "it moved");
    let later = late + STANDSTILL_MAX;
    assert_eq!(watch.look(later, sample(8, true)).len(), 1);
}

#[test]
fn what_has_no_work_may_stand_for_ever_and_begins_anew_with_work() {
    let mut watch = ProgressWatch::default();
    let start = monotonic_now();
    let mut at = start;
    for _ in 0..10 {
        at += STANDSTILL_MAX;
        assert!(watch.look(at, sample(7, false)).is_empty());
    }
    assert!(watch.look(at, sample(7, true)).is_empty());
    assert_eq!(watch.look(at + STANDSTILL_MAX, sample(7, true)).len(), 1);
}
