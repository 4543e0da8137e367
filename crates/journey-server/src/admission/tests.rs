//! Rates of workspaces.

use std::collections::BTreeMap;

use journey_types::WorkspaceId;
use tokio::time::{Duration, Instant};

use super::{RateLimit, WorkspaceRates};
use crate::limits::WORKSPACE_BUCKETS_MAX;

fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId::new(name).unwrap()
}

#[test]
fn a_workspace_gets_its_rate_and_others_theirs() {
    let rates = WorkspaceRates {
        default: Some(100),
        by_workspace: BTreeMap::from([(workspace("big"), 1_000)]),
    };
    let limit = RateLimit::new(rates);
    let start = Instant::now();
    limit.admit(&workspace("small"), 60, start).unwrap();
    limit.admit(&workspace("small"), 60, start).unwrap();
    let over = limit.admit(&workspace("small"), 1, start).unwrap_err();
    assert_eq!(over.per_second, 100);
    assert!(over.retry_after > Duration::from_millis(150), "{over:?}");
    limit.admit(&workspace("other"), 60, start).unwrap();
    limit.admit(&workspace("big"), 900, start).unwrap();
    limit.admit(&workspace("big"), 100, start).unwrap();
    let later = start + over.retry_after + Duration::from_millis(1);
    limit.admit(&workspace("small"), 1, later).unwrap();
}

#[test]
fn without_a_rate_everything_is_admitted() {
    let limit = RateLimit::new(WorkspaceRates::default());
    assert!(limit.is_off());
    for _ in 0..10 {
        let now = Instant::now();
        limit.admit(&workspace("any"), 1_000_000, now).unwrap();
    }
}

#[test]
fn buckets_are_bounded_and_come_free() {
    let limit = RateLimit::new(WorkspaceRates {
        default: Some(1),
        by_workspace: BTreeMap::new(),
    });
    let start = Instant::now();
    for n in 0..WORKSPACE_BUCKETS_MAX {
        limit.admit(&workspace(&format!("w{n}")), 1, start).unwrap();
    }
    limit.admit(&workspace("one-more"), 1, start).unwrap_err();
    let later = start + Duration::from_secs(2);
    limit.admit(&workspace("one-more"), 1, later).unwrap();
    assert_eq!(limit.buckets.lock().len(), 1);
}
