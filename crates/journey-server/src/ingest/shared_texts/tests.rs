//! Sharing changes where texts lie, never what they are.

use std::collections::BTreeMap;

use journey_types::{CustomerId, CustomerKey, EventId, Timestamp};

use super::*;

fn event(workspace: &str, source: &str, name: &str) -> CustomerEvent {
    CustomerEvent {
        customer: CustomerKey {
            workspace: WorkspaceId::new(workspace).unwrap(),
            customer: CustomerId::new("anna").unwrap(),
        },
        source: SourceName::new(source).unwrap(),
        id: EventId::new("1").unwrap(),
        name: EventName::new(name).unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: BTreeMap::new(),
    }
}

#[test]
fn events_in_a_row_share_the_texts_that_are_equal_and_keep_the_others() {
    let events = [
        event("shop", "web", "seen"),
        event("shop", "web", "bought"),
        event("shop", "app", "bought"),
        event("bank", "app", "bought"),
    ];
    let mut shared = events.clone();
    let mut texts = SharedTexts::default();
    for event in &mut shared {
        texts.share(event);
    }
    assert_eq!(shared, events);
    let is_shared = |a: &str, b: &str| std::ptr::eq(a, b);
    let workspace = |idx: usize| shared[idx].customer.workspace.as_str();
    assert!(is_shared(workspace(0), workspace(1)) && is_shared(workspace(1), workspace(2)));
    assert!(is_shared(
        shared[0].source.as_str(),
        shared[1].source.as_str()
    ));
    assert!(is_shared(shared[2].name.as_str(), shared[3].name.as_str()));
}
