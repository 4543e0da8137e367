//! What comes over the wire is read exactly or refused with a code.

#![expect(clippy::too_many_lines, reason = "a table of cases is long")]

use journey_proto::v1 as wire;
use journey_types::{Timestamp, Value};
use pbjson_types::value::Kind;

use super::{decimal_text, event_from_wire};

fn event() -> wire::CustomerEvent {
    wire::CustomerEvent {
        customer_id: "c1".to_owned(),
        id: "e1".to_owned(),
        name: "cart_added".to_owned(),
        ..Default::default()
    }
}

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_603_600_000);

#[test]
fn absent_fields_get_their_defaults() {
    let event = event_from_wire(event(), NOW).unwrap();
    assert_eq!(event.customer.workspace.as_str(), "default");
    assert_eq!(event.source.as_str(), "default");
    assert_eq!(event.occurred_at, NOW);
}

#[test]
fn each_bad_field_has_its_code() {
    let long = "x".repeat(257);
    let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
    let text = |text: &str| pbjson_types::Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let large = pbjson_types::Struct {
        fields: [("a".to_owned(), text(&"y".repeat(40_000)))].into(),
    };
    let cases = [
        (
            wire::CustomerEvent {
                customer_id: String::new(),
                ..event()
            },
            "customer_id_invalid",
        ),
        (
            wire::CustomerEvent {
                customer_id: long.clone(),
                ..event()
            },
            "customer_id_invalid",
        ),
        (
            wire::CustomerEvent {
                id: String::new(),
                ..event()
            },
            "event_id_invalid",
        ),
        (
            wire::CustomerEvent {
                id: long.clone(),
                ..event()
            },
            "event_id_invalid",
        ),
        (
            wire::CustomerEvent {
                name: String::new(),
                ..event()
            },
            "event_name_invalid",
        ),
        (
            wire::CustomerEvent {
                source: long.clone(),
                ..event()
            },
            "source_invalid",
        ),
        (
            wire::CustomerEvent {
                channel: long,
                ..event()
            },
            "field_too_long",
        ),
        (
            wire::CustomerEvent {
                occurred_at: at(-1),
                ..event()
            },
            "occurred_before_1970",
        ),
        (
            wire::CustomerEvent {
                occurred_at: at(1_767_603_600 + 86_401),
                ..event()
            },
            "occurred_in_future",
        ),
        (
            wire::CustomerEvent {
                properties: Some(large),
                ..event()
            },
            "properties_too_large",
        ),
    ];
    for (event, code) in cases {
        let fault = event_from_wire(event, NOW).unwrap_err();
        assert_eq!(fault.code, code, "{}", fault.message);
        assert!(fault.message.len() > 20, "{}", fault.message);
    }
}

#[test]
fn whole_numbers_arrive_as_int() {
    let number = |number| pbjson_types::Value {
        kind: Some(Kind::NumberValue(number)),
    };
    let fields = [("a".to_owned(), number(2.0)), ("b".to_owned(), number(2.5))].into();
    let event = wire::CustomerEvent {
        properties: Some(pbjson_types::Struct { fields }),
        ..event()
    };
    let properties = event_from_wire(event, NOW).unwrap().properties;
    assert_eq!(properties["a"], Value::Int(2));
    assert_eq!(properties["b"], Value::Double(2.5));
}

#[test]
fn sums_print_as_exact_decimals() {
    assert_eq!(decimal_text(1_234_560_000_000), "1234.56");
    assert_eq!(decimal_text(-500_000_000), "-0.5");
    assert_eq!(decimal_text(3_000_000_000), "3");
    assert_eq!(decimal_text(1), "0.000000001");
}
