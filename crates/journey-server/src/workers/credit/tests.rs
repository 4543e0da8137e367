//! What a worker stream may take.

use journey_customer::{EffectBody, WorkBody, WorkKind};
use journey_partition::WorkerId;
use journey_types::{DefinitionVersion, Destination, InstanceNumber, WorkspaceId};

use super::*;

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// The claim of an effect on its first attempt.
fn hand_over(effect: u64, until: Timestamp) -> HandOver {
    let row = OutboxRow {
        effect: Sequence::new(effect),
        birth: BirthIndex::new(1),
        created_at: at(0),
        instance: InstanceNumber::new(1),
        journey: "j".parse().unwrap(),
        version: DefinitionVersion::new(1),
        step: "s".parse().unwrap(),
        destination: Destination::Queue("q".parse().unwrap()),
        purpose: String::new(),
        send_by: None,
        body: EffectBody::Work(WorkBody {
            kind: WorkKind::Task,
            input: BTreeMap::new(),
            due_at: None,
        }),
        attempt: 1,
        status: EffectStatus::Claimed { until },
        attempts: Vec::new(),
        attempts_before_replay: 0,
        attempts_returned: 0,
        returned_in_a_row: 0,
    };
    HandOver {
        worker: WorkerId(1),
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: "ann".parse().unwrap(),
        },
        row: Box::new(row),
        hand_over_by: tokio::time::Instant::now().into_std(),
    }
}

/// A ledger whose partitions have used so much of its credit.
fn with_used(n_credit: u32, n_used: u32) -> Ledger {
    let ledger = Ledger::new(n_credit, at(0));
    let left = ledger.credit.withdraw();
    ledger.credit.add(left - n_used);
    ledger
}

#[test]
fn an_answered_effect_frees_its_credit_once() {
    let mut ledger = with_used(2, 1);
    let first = hand_over(1, at(30_000));
    ledger.handed_over(&first, at(0));
    assert_eq!(ledger.credit.left(), 1);
    assert!(ledger.answered([Attempt::of(&first)]));
    assert_eq!(ledger.credit.left(), 2);
    assert!(!ledger.answered([Attempt::of(&first)]));
    assert!(!ledger.look(at(30_000)), "it is not held any more");
    assert_eq!(ledger.credit.left(), 2);
}

#[test]
fn what_was_not_handed_out_here_frees_nothing() {
    let mut ledger = with_used(2, 1);
    ledger.handed_over(&hand_over(1, at(30_000)), at(0));
    let foreign = Attempt::of(&hand_over(2, at(30_000)));
    let later = Attempt {
        attempt: 2,
        ..Attempt::of(&hand_over(1, at(30_000)))
    };
    assert!(!ledger.answered([foreign, later]));
    assert_eq!(ledger.credit.left(), 1);
}

#[test]
fn an_expired_effect_frees_its_credit_and_its_late_answer_does_not() {
    let mut ledger = with_used(1, 1);
    let first = hand_over(1, at(30_000));
    ledger.handed_over(&first, at(10));
    assert_eq!(
        ledger.next_look(at(10)),
        Some(Duration::from_millis(29_990))
    );
    assert!(!ledger.look(at(29_999)));
    assert!(ledger.look(at(30_000)));
    assert_eq!(ledger.credit.left(), 1);
    assert!(!ledger.answered([Attempt::of(&first)]));
    assert_eq!(ledger.credit.left(), 1);
    assert_eq!(ledger.next_look(at(30_000)), None);
}

#[test]
fn what_comes_too_late_is_not_held() {
    let mut ledger = with_used(1, 1);
    assert!(ledger.came_too_late(at(3_000)));
    assert_eq!((ledger.credit.left(), ledger.held.len()), (1, 0));
}

#[test]
fn credit_never_passes_its_bound_whatever_is_asked_for() {
    let mut ledger = with_used(WORKER_CREDIT_MAX, 1);
    let first = hand_over(1, at(30_000));
    ledger.handed_over(&first, at(0));
    assert!(!ledger.grant(u32::MAX), "one of them is held");
    assert!(ledger.answered([Attempt::of(&first)]));
    assert!(!ledger.grant(1));
    assert_eq!(ledger.credit.left(), WORKER_CREDIT_MAX);
}

#[test]
fn credit_that_no_partition_holds_any_more_is_given_anew_after_a_silence() {
    let mut ledger = with_used(3, 2);
    let silence_over = at(0).plus(CREDIT_LOST_AFTER);
    assert!(!ledger.look(silence_over.minus(TimeSpan::from_ms(1))));
    assert!(ledger.look(silence_over));
    assert_eq!(ledger.credit.left(), 3);
    assert!(!ledger.look(silence_over.plus(CREDIT_LOST_AFTER)));
}

#[test]
fn what_is_lent_out_is_what_no_claim_has_taken() {
    let mut ledger = with_used(5, 2);
    assert!(ledger.has_credit());
    assert_eq!(ledger.withdraw(), 3);
    assert!(!ledger.has_credit());
    assert_eq!(ledger.withdraw(), 0, "once");
    assert!(ledger.grant(3), "it comes home");
    assert_eq!(ledger.credit.left(), 3);
    // The two claims under way come through: their credit was not lent.
    for effect in [1, 2] {
        ledger.handed_over(&hand_over(effect, at(30_000)), at(0));
    }
    assert_eq!(ledger.n_with_partitions, 3);
}

#[test]
fn credit_that_is_lent_out_is_not_taken_for_lost() {
    let mut ledger = with_used(4, 0);
    ledger.withdraw();
    assert_eq!(ledger.next_look(at(0)), None);
    assert!(!ledger.look(at(0).plus(CREDIT_LOST_AFTER)));
    assert_eq!(ledger.credit.left(), 0, "it lies with other nodes");
}
