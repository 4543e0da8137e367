//! Claims about values.

use super::Value;

#[test]
fn whole_numbers_that_fit_are_int() {
    assert_eq!(Value::number(2.0), Value::Int(2));
    assert_eq!(Value::number(-0.0), Value::Int(0));
    assert_eq!(Value::number(2.5), Value::Double(2.5));
    assert_eq!(
        Value::number(9_223_372_036_854_775_808.0),
        Value::Double(9_223_372_036_854_775_808.0)
    );
    assert_eq!(
        Value::number(-9_223_372_036_854_775_808.0),
        Value::Int(i64::MIN)
    );
    assert_eq!(Value::number(f64::NAN), Value::Null);
}

#[test]
fn values_print_as_json() {
    let value = Value::Map(
        [
            (
                "a".to_owned(),
                Value::List(vec![Value::Int(1), Value::Null, Value::Bool(true)]),
            ),
            ("b\"".to_owned(), Value::text("x\ny\u{1}")),
        ]
        .into(),
    );
    assert_eq!(
        value.to_string(),
        r#"{"a":[1,null,true],"b\"":"x\ny\u0001"}"#
    );
}

#[test]
fn too_deep_values_are_seen() {
    let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    assert!(nested(32).depth_is_fine());
    assert!(!nested(33).depth_is_fine());
}
