//! Pauses between attempts.

use journey_types::{BirthIndex, CustomerId, CustomerKey, Sequence, Timestamp, WorkspaceId};

use super::{FailedAttempt, retry_at};
use crate::core::limits::{RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX};

fn pause_ms(effect: u64, attempt: u32) -> i64 {
    let customer = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new("ann").unwrap(),
    };
    let failed = FailedAttempt {
        customer: &customer,
        birth: BirthIndex::new(1),
        effect: Sequence::new(effect),
        attempt,
    };
    retry_at(failed, Timestamp::EPOCH)
        .since(Timestamp::EPOCH)
        .ms()
}

#[test]
fn pauses_double_up_to_their_bound() {
    for attempt in 1..200 {
        let least = (RETRY_PAUSE_FIRST.ms() << (attempt - 1).min(30)).min(RETRY_PAUSE_MAX.ms());
        let pause = pause_ms(5, attempt);
        assert!(
            (least..=least + least / 4).contains(&pause),
            "attempt {attempt}: {pause}"
        );
    }
}

#[test]
fn the_same_attempt_has_the_same_pause_and_effects_that_failed_together_spread() {
    assert_eq!(pause_ms(5, 3), pause_ms(5, 3));
    let pauses: std::collections::BTreeSet<i64> = (0..100).map(|n| pause_ms(n, 8)).collect();
    assert!(pauses.len() > 80, "{}", pauses.len());
}
