//! Pauses between attempts.

use journey_customer::RetryBudget;
use journey_types::{
    BirthIndex, CustomerId, CustomerKey, Sequence, TimeSpan, Timestamp, WorkspaceId,
};

use super::{FailedAttempt, backoff_until};

fn pause_ms(effect: u64, attempt: u32, budget: RetryBudget) -> i64 {
    let customer = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new("ann").unwrap(),
    };
    let failed = FailedAttempt {
        customer: &customer,
        birth: BirthIndex::new(1),
        effect: Sequence::new(effect),
        attempt,
        n_attempts: attempt,
    };
    backoff_until(failed, budget, Timestamp::EPOCH)
        .since(Timestamp::EPOCH)
        .ms()
}

#[test]
fn pauses_double_up_to_their_bound() {
    for (first, max) in [(1_000, 1_800_000), (50, 400)] {
        let budget = RetryBudget {
            attempts_max: 200,
            pause_first: TimeSpan::from_ms(first),
            pause_max: TimeSpan::from_ms(max),
        };
        for attempt in 1..199 {
            let least = (first << (attempt - 1).min(30)).min(max);
            let pause = pause_ms(5, attempt, budget);
            assert!(
                (least..=least + least / 4).contains(&pause),
                "attempt {attempt}: {pause}"
            );
        }
    }
}

#[test]
fn what_is_kept_beyond_its_budget_is_tried_as_seldom_as_ever() {
    let budget = RetryBudget {
        attempts_max: 3,
        ..RetryBudget::default()
    };
    assert!(pause_ms(5, 2, budget) < 3_000);
    assert!(pause_ms(5, 3, budget) >= budget.pause_max.ms());
}

#[test]
fn the_same_attempt_has_the_same_pause_and_effects_that_failed_together_spread() {
    let budget = RetryBudget::default();
    assert_eq!(pause_ms(5, 3, budget), pause_ms(5, 3, budget));
    let pauses: std::collections::BTreeSet<i64> =
        (0..100).map(|n| pause_ms(n, 8, budget)).collect();
    assert!(pauses.len() > 80, "{}", pauses.len());
}
