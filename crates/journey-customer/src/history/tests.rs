//! Claims about counting.

use std::collections::BTreeMap;

use journey_types::{AggregateId, CustomerId, CustomerKey, EventId, EventName, SourceName};
use journey_types::{CustomerEvent, TimeSpan, Timestamp, Value, WorkspaceId};
use proptest::prelude::*;

use super::{amount_nanos, sum};
use crate::event::Feed;
use crate::state::Aggregate;

fn at(secs: i64) -> Timestamp {
    Timestamp::EPOCH.plus(TimeSpan::from_secs(secs))
}

fn feed(amount_nanos: i128) -> Feed {
    Feed {
        aggregate: AggregateId::new(1),
        window_max: Some(TimeSpan::from_secs(100)),
        amount_nanos,
    }
}

fn amount_of(value: Value) -> i128 {
    let event = CustomerEvent {
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("c").unwrap(),
        },
        source: SourceName::new("default").unwrap(),
        id: EventId::new("1").unwrap(),
        name: EventName::new("purchase").unwrap(),
        occurred_at: at(0),
        channel: None,
        device: None,
        properties: BTreeMap::from([(
            "order".to_owned(),
            Value::Map(BTreeMap::from([("value".to_owned(), value)])),
        )]),
    };
    amount_nanos(&event, "order.value")
}

#[test]
fn amounts_are_exact_decimals() {
    let cases = [
        (Value::Double(0.1), 100_000_000),
        (Value::Double(-12.345), -12_345_000_000),
        (Value::Double(-0.5), -500_000_000),
        (Value::Int(i64::MIN), -9_223_372_036_854_775_808_000_000_000),
        (Value::Double(1e-10), 0),
        (Value::Double(1e300), 0),
        (Value::text("7"), 0),
    ];
    for (value, nanos) in cases {
        assert_eq!(amount_of(value.clone()), nanos, "{value}");
    }
    let hundred_tenths = sum((0..100).map(|_| amount_of(Value::Double(0.1))));
    assert_eq!(hundred_tenths, 10_000_000_000);
}

#[test]
fn a_window_excludes_its_start_and_includes_its_end() {
    let mut aggregate = Aggregate::default();
    for secs in [10, 20, 30] {
        aggregate.feed(at(secs), &feed(1), at(30));
    }
    let count = |now| aggregate.within(TimeSpan::from_secs(10), at(now)).count();
    assert_eq!([count(20), count(29), count(30), count(40)], [1, 1, 1, 0]);
    let next = |now| aggregate.next_change(TimeSpan::from_secs(10), at(now));
    assert_eq!(next(25), Some(at(30)));
    assert_eq!(next(30), Some(at(40)));
    assert_eq!(next(40), None);
}

#[test]
fn a_window_keeps_the_newest_thousand() {
    let mut aggregate = Aggregate::default();
    for _ in 0..1_500 {
        aggregate.feed(at(50), &feed(1), at(50));
    }
    assert_eq!(aggregate.n_events, 1_500);
    assert_eq!(aggregate.recent.len(), 1_000);
}

proptest! {
    #[test]
    fn the_order_of_events_does_not_matter(
        events in proptest::collection::vec((0_i64..500, -1_000_i64..1_000), 1..60),
        seed in any::<u64>(),
    ) {
        let now = at(500);
        let mut shuffled = events.clone();
        let n_events = shuffled.len() as u64;
        for place in 0..shuffled.len() {
            let other = seed.wrapping_mul(place as u64 + 1) % n_events;
            shuffled.swap(place, usize::try_from(other).unwrap());
        }
        let count = |events: &[(i64, i64)]| {
            let mut aggregate = Aggregate::default();
            for (secs, amount) in events {
                aggregate.feed(at(*secs), &feed(i128::from(*amount)), now);
            }
            let mut recent: Vec<_> = aggregate.recent.iter().copied().collect();
            recent.sort_unstable();
            (aggregate.n_events, aggregate.first, aggregate.last, aggregate.sum_nanos, recent)
        };
        let window: Vec<i64> = events.iter().map(|e| e.0).filter(|secs| *secs > 400).collect();
        let counted = count(&events);
        prop_assert_eq!(counted.4.len(), window.len());
        prop_assert_eq!(counted, count(&shuffled));
    }
}
