//! Lines of JSON and what becomes of them.

use journey_types::{Timestamp, Value};

use super::read_event_line;

#[track_caller]
fn refused(line: &str, expected: &str) {
    let problem = read_event_line(line).expect_err("the line should be refused");
    assert_eq!(problem.to_string(), expected);
}

#[test]
fn a_whole_event_is_read() {
    let event = read_event_line(
        r#"{"workspace":"w","customer_id":"c1","source":"s","id":"e1","name":"purchase","occurred_at":"2026-01-05T09:00:00.250+01:00","channel":"web","device":"d","properties":{"n":2.0,"x":2.5,"big":18446744073709551615,"list":[1,null,{"a":true}]}}"#,
    )
    .unwrap();
    assert_eq!(event.customer.to_string(), "w/c1");
    assert_eq!(event.source.as_str(), "s");
    assert_eq!(event.occurred_at.to_string(), "2026-01-05T08:00:00.25Z");
    assert_eq!(event.channel.as_deref(), Some("web"));
    assert_eq!(event.properties["n"], Value::Int(2));
    assert_eq!(event.properties["x"], Value::Double(2.5));
    assert_eq!(
        event.properties["big"],
        Value::Double(18_446_744_073_709_551_615.0)
    );
    assert_eq!(
        event.properties["list"].to_string(),
        "[1,null,{\"a\":true}]"
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let line = r#"{"customer_id":"c1","id":"e1","name":"n","occurred_at":"1970-01-01T00:00:00Z","channel":null}"#;
    let event = read_event_line(line).unwrap();
    assert_eq!(event.customer.to_string(), "default/c1");
    assert_eq!(event.source.as_str(), "default");
    assert_eq!(event.occurred_at, Timestamp::EPOCH);
    assert_eq!((event.channel, event.device), (None, None));
    assert!(event.properties.is_empty());
}

#[test]
fn bad_lines_say_what_is_wrong() {
    refused("", "not_json: EOF while parsing a value at column 0");
    refused(
        "{\"id\":",
        "not_json: EOF while parsing a value at column 6",
    );
    refused(
        "[1]",
        "not_an_object: an event is a JSON object, found list",
    );
    refused(
        r#"{"id":"a","id":"b"}"#,
        "not_json: `id` is written twice at column 19",
    );
    refused(
        r#"{"customer":"c1"}"#,
        "unknown_field: unknown field `customer`; an event has `workspace`, `customer_id`, `source`, `id`, `name`, `occurred_at`, `channel`, `device` and `properties`; everything else goes into `properties`",
    );
    refused(
        r#"{"customerid":"c1"}"#,
        "unknown_field: unknown field `customerid`; did you mean `customer_id`?",
    );
    refused(
        r#"{"id":"a"}"#,
        "missing_field: the event lacks `customer_id`",
    );
    refused(
        r#"{"customer_id":"c","name":"n"}"#,
        "missing_field: the event lacks `id`",
    );
    refused(
        r#"{"customer_id":"","id":"a"}"#,
        "bad_id: customer_id: customer id is empty; give it at least one character",
    );
    refused(
        r#"{"customer_id":5}"#,
        "wrong_type: `customer_id` is text, found int",
    );
    refused(
        r#"{"customer_id":"c","id":"a","name":"n"}"#,
        "missing_field: the event lacks `occurred_at`, which every line of a file needs",
    );
    refused(
        r#"{"customer_id":"c","id":"a","name":"n","occurred_at":"2026-01-05"}"#,
        "bad_time: occurred_at `2026-01-05` is not RFC 3339 such as `2026-01-05T09:00:00Z`",
    );
    refused(
        r#"{"customer_id":"c","id":"a","name":"n","occurred_at":"1969-12-31T23:59:59Z"}"#,
        "occurred_before_1970: occurred_at lies before 1970-01-01T00:00:00Z; check its unit (milliseconds, not seconds or days)",
    );
    refused(
        r#"{"customer_id":"c","id":"a","name":"n","occurred_at":"2026-01-05T09:00:00Z","properties":[]}"#,
        "wrong_type: `properties` is an object, found list",
    );
}

#[test]
fn other_forms_are_refused_by_name() {
    refused(
        r#"{"specversion":"1.0","id":"a"}"#,
        "not_available_yet: CloudEvents (marked by `specversion`) are not available yet",
    );
    refused(
        r#"{"type":"track","userId":"u"}"#,
        "not_available_yet: Segment events (marked by `userId`) are not available yet",
    );
    refused(
        r#"{"anonymous_id":"x"}"#,
        "not_available_yet: `anonymous_id` is not available yet; send a `customer_id`",
    );
}

#[test]
fn nesting_without_end_is_refused() {
    let line = format!("{{\"properties\":{{\"a\":{}1", "[".repeat(100_000));
    let problem = read_event_line(&line).expect_err("too deep");
    assert_eq!(problem.reason, "not_json");
}
