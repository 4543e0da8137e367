//! Outcomes are recorded in order, together where they can be, and never wait for another partition.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::*;

/// What was to be recorded, and the switch that lets each settlement end.
type Begun = Arc<Mutex<Vec<Vec<u32>>>>;

fn outcome(attempt: u32) -> wire::Outcome {
    wire::Outcome {
        attempt,
        ..Default::default()
    }
}

const fn at(partition: u32) -> Place {
    Some(PartitionId::new(partition))
}

/// Settlements that end when told to, in the order in which they began; each outcome below 1,000 at once.
fn settlements() -> (Settlements, Begun, mpsc::Sender<()>) {
    let begun = Begun::default();
    let (ends, gate) = mpsc::channel(16);
    let gate = Arc::new(tokio::sync::Mutex::new(gate));
    let noted = Arc::clone(&begun);
    let record: Record = Box::new(move |outcomes| {
        let attempts: Vec<u32> = outcomes.iter().map(|outcome| outcome.attempt).collect();
        noted.lock().push(attempts.clone());
        let gate = Arc::clone(&gate);
        async move {
            if attempts.iter().any(|attempt| *attempt >= 1_000) {
                gate.lock().await.recv().await;
            }
            let result = |attempt| wire::OutcomeResult {
                attempt,
                ..Default::default()
            };
            Settled {
                results: attempts.into_iter().map(result).collect(),
                answered: Vec::new(),
            }
        }
        .boxed()
    });
    (Settlements::new(record), begun, ends)
}

fn attempts(settled: &Settled) -> Vec<u32> {
    settled.results.iter().map(|r| r.attempt).collect()
}

#[tokio::test]
async fn what_comes_while_a_settlement_is_under_way_goes_together_with_the_next() {
    let (mut settlements, begun, ends) = settlements();
    settlements.add([(at(1), outcome(1_000))]);
    for n in 1_001..1_005 {
        settlements.add([(at(1), outcome(n))]);
    }
    assert_eq!(*begun.lock(), [[1_000]]);
    ends.send(()).await.unwrap();
    assert_eq!(attempts(&settlements.next().await), [1_000]);
    ends.send(()).await.unwrap();
    let together = [1_001, 1_002, 1_003, 1_004];
    assert_eq!(attempts(&settlements.next().await), together);
    assert!(settlements.is_idle());
    assert_eq!(begun.lock().len(), 2);
}

#[tokio::test]
async fn a_partition_that_does_not_answer_holds_up_no_other() {
    let (mut settlements, _, ends) = settlements();
    settlements.add([(at(1), outcome(1_000)), (at(2), outcome(1))]);
    assert_eq!(attempts(&settlements.next().await), [1]);
    settlements.add([(at(2), outcome(2)), (None, outcome(3))]);
    let mut others = [settlements.next().await, settlements.next().await];
    others.sort_by_key(attempts);
    assert_eq!(attempts(&others[0]), [2]);
    assert_eq!(attempts(&others[1]), [3]);
    assert!(!settlements.is_idle());
    ends.send(()).await.unwrap();
    assert_eq!(attempts(&settlements.next().await), [1_000]);
    assert!(settlements.is_idle());
}

#[tokio::test]
async fn a_worker_waits_while_as_many_are_held_as_may_be() {
    let (mut settlements, begun, ends) = settlements();
    let n_max = u32::try_from(OUTCOMES_HELD_MAX).unwrap();
    settlements.add((0..n_max).map(|n| (at(1), outcome(1_000 + n))));
    assert!(!settlements.has_room());
    ends.send(()).await.unwrap();
    let n_first = settlements.next().await.results.len();
    assert_eq!(n_first, OUTCOMES_PER_MESSAGE_MAX);
    assert!(settlements.has_room());
    assert_eq!(begun.lock().len(), 2);
}
