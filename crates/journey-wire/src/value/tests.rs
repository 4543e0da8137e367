//! What goes out comes back.

use journey_types::{Timestamp, Value};
use pbjson_types::value::Kind;

use super::{map_from_struct, struct_from_map, value_from_wire, value_to_wire};

#[test]
fn values_come_back_as_they_went() {
    let list = Value::List(vec![Value::Null, Value::Bool(true), Value::Double(2.5)]);
    let map = [
        ("n".to_owned(), Value::Int(-7)),
        ("list".to_owned(), list),
        (
            "map".to_owned(),
            Value::Map([("a".to_owned(), Value::text("b"))].into()),
        ),
    ];
    let map = map.into();
    assert_eq!(map_from_struct(struct_from_map(&map)), map);
}

#[test]
fn instants_go_as_text_and_numbers_come_by_the_number_rule() {
    let instant = value_to_wire(&Value::Time(Timestamp::from_unix_ms(1_500)));
    let text = "1970-01-01T00:00:01.5Z".to_owned();
    assert_eq!(instant.kind, Some(Kind::StringValue(text)));
    let number = |number| pbjson_types::Value {
        kind: Some(Kind::NumberValue(number)),
    };
    assert_eq!(value_from_wire(number(2.0)), Value::Int(2));
    assert_eq!(value_from_wire(number(f64::NAN)), Value::Null);
    assert_eq!(value_from_wire(pbjson_types::Value::default()), Value::Null);
}
