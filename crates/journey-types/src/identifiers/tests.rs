//! Which identifiers an event names.

use crate::{
    CustomerEvent, CustomerId, CustomerKey, EventId, EventName, SourceName, Timestamp, Value,
    WorkspaceId,
};

fn other(name: &str, property: &str, id: &str) -> Option<String> {
    let event = CustomerEvent {
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("ann").unwrap(),
        },
        source: SourceName::new("s").unwrap(),
        id: EventId::new("1").unwrap(),
        name: EventName::new(name).unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: [(property.to_owned(), Value::text(id))].into(),
    };
    event.other_identifier().map(std::borrow::Cow::into_owned)
}

#[test]
fn identify_and_alias_name_another_identifier_and_nothing_else_does() {
    let anonymous = Some("anonymous:x".to_owned());
    assert_eq!(other("identify", "anonymous_id", "x"), anonymous);
    assert_eq!(other("alias", "anonymous_id", "x"), anonymous);
    assert_eq!(other("alias", "previous_id", "bea"), Some("bea".to_owned()));
    assert_eq!(other("alias", "previous_id", "ann"), None, "its own id");
    assert_eq!(other("identify", "previous_id", "bea"), None);
    assert_eq!(other("purchase", "anonymous_id", "x"), None);
}

#[test]
fn an_anonymous_customer_has_a_name_of_its_own() {
    let anonymous = CustomerId::anonymous("x").unwrap();
    assert_eq!(anonymous.as_str(), "anonymous:x");
    assert!(anonymous.is_anonymous() && !CustomerId::new("x").unwrap().is_anonymous());
    assert!(CustomerId::anonymous("").is_err());
    assert!(CustomerId::anonymous(&"x".repeat(247)).is_err());
}
