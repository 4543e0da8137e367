//! Events held to their schema.

use std::collections::BTreeMap;

use journey_types::{
    CustomerEvent, CustomerId, CustomerKey, EventId, EventName, SourceName, Timestamp, Value,
    WorkspaceId,
};

use super::{EventSchema, PropertyType, Schema, Schemas};

fn schemas() -> Schemas {
    let purchase = EventSchema::new(BTreeMap::from([
        ("quantity".to_owned(), PropertyType::Int),
        ("value".to_owned(), PropertyType::Double),
        ("at".to_owned(), PropertyType::Time),
        ("gift".to_owned(), PropertyType::Bool),
    ]));
    let mut schemas = Schemas::default();
    schemas.add(&Schema {
        id: "shop".parse().unwrap(),
        events: BTreeMap::from([(EventName::new("purchase").unwrap(), purchase)]),
        traits: BTreeMap::new(),
    });
    schemas
}

fn conform(name: &str, property: &str, value: Value) -> Result<Value, String> {
    let mut event = CustomerEvent {
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("c1").unwrap(),
        },
        source: SourceName::new("default").unwrap(),
        id: EventId::new("e1").unwrap(),
        name: EventName::new(name).unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: BTreeMap::from([(property.to_owned(), value)]),
    };
    schemas()
        .conform(&mut event)
        .map_err(|refusal| refusal.to_string())?;
    Ok(event.properties.remove(property).unwrap())
}

#[test]
fn declared_times_become_instants_and_other_text_stays() {
    let day = "2026-01-05T09:00:00+01:00";
    let instant = Value::Time(Timestamp::parse("2026-01-05T08:00:00Z").unwrap());
    assert_eq!(conform("purchase", "at", Value::text(day)), Ok(instant));
    assert_eq!(
        conform("viewed", "at", Value::text(day)),
        Ok(Value::text(day)),
        "undeclared events pass untouched"
    );
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    assert_eq!(
        conform("purchase", "quantiy", Value::Int(1)).unwrap_err(),
        "unknown_property: event `purchase` has no property `quantiy`; did you mean `quantity`?"
    );
    assert_eq!(
        conform("purchase", "color", Value::Int(1)).unwrap_err(),
        "unknown_property: event `purchase` has no property `color`; it has `at`, `gift`, `quantity` or `value`"
    );
    assert_eq!(
        conform("purchase", "quantity", Value::Double(1.5)).unwrap_err(),
        "wrong_type: property `quantity` of event `purchase` is declared int, found double"
    );
    assert_eq!(
        conform("purchase", "at", Value::text("5 January")).unwrap_err(),
        "bad_time: property `at` of event `purchase` is declared time, and `5 January` is not an RFC 3339 instant from 1970 on such as `2026-01-05T09:00:00Z`"
    );
    assert_eq!(
        conform("purchase", "at", Value::Int(0)).unwrap_err(),
        "wrong_type: property `at` of event `purchase` is declared time, found int"
    );
}

#[test]
fn a_whole_double_and_null_fit() {
    assert_eq!(
        conform("purchase", "value", Value::Int(2)),
        Ok(Value::Int(2))
    );
    assert_eq!(conform("purchase", "gift", Value::Null), Ok(Value::Null));
}
