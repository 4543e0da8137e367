//! Lines of JSON and what becomes of them.

use journey_types::{CustomerEvent, Timestamp, Value, WorkspaceId};

use super::LineDefaults;
use crate::line_problem::LineProblem;

fn read_event_line(line: &str) -> Result<CustomerEvent, LineProblem> {
    let defaults = LineDefaults::of(WorkspaceId::new("shop").unwrap());
    super::read_event_line(line, &defaults)
}

#[track_caller]
fn refused(line: &str, expected: &str) {
    let problem = read_event_line(line).expect_err("the line should be refused");
    assert_eq!(problem.to_string(), expected);
}

/// Customer, name, properties.
#[track_caller]
fn read(line: &str) -> String {
    let event = read_event_line(line).unwrap_or_else(|problem| panic!("{problem} in {line}"));
    let properties = Value::Map(event.properties);
    format!("{} {} {properties}", event.customer, event.name)
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
    assert_eq!(event.customer.to_string(), "shop/c1");
    assert_eq!(event.source.as_str(), "default");
    assert_eq!(event.occurred_at, Timestamp::EPOCH);
    assert_eq!((event.channel, event.device), (None, None));
    assert!(event.properties.is_empty());
}

#[test]
fn bad_lines_say_what_is_wrong() {
    refused(
        "",
        "not_json: EOF while parsing a value at column 0; an event stands whole on one line",
    );
    refused(
        "{\"id\":",
        "not_json: EOF while parsing a value at column 6; an event stands whole on one line",
    );
    refused(
        "[1]",
        "not_an_object: an event is a JSON object, found list; a file holds one object a line, not an array",
    );
    refused(
        r#"{"id":"a","id":"b"}"#,
        "not_json: `id` is written twice at column 19",
    );
    refused(
        r#"{"customer":"c1"}"#,
        "unknown_field: unknown field `customer`; an event has `workspace`, `customer_id`, `anonymous_id`, `source`, `id`, `name`, `occurred_at`, `channel`, `device` and `properties`; everything else goes into `properties`",
    );
    refused(
        r#"{"customerid":"c1"}"#,
        "unknown_field: unknown field `customerid`; did you mean `customer_id`?",
    );
    refused(
        r#"{"id":"a","name":"n"}"#,
        "missing_field: the event lacks `customer_id` (or `anonymous_id`)",
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
        "wrong_type: `customer_id` is text, found int; put it in quotes",
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
        r#"{"customer_id":"c","id":"a","name":"n","occurred_at":1767603600}"#,
        "wrong_type: `occurred_at` is RFC 3339 text such as `2026-01-05T09:00:00Z`, found int",
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
fn an_anonymous_customer_is_a_customer_of_its_own() {
    let line = |name: &str, ids: &str| {
        format!(r#"{{{ids},"id":"1","name":"{name}","occurred_at":"2026-01-05T09:00:00Z"}}"#)
    };
    let both = r#""customer_id":"c1","anonymous_id":"x""#;
    assert_eq!(
        read(&line("seen", r#""anonymous_id":"x""#)),
        "shop/anonymous:x seen {}"
    );
    assert_eq!(
        read(&line("identify", both)),
        r#"shop/c1 identify {"anonymous_id":"x"}"#
    );
    refused(
        &line("seen", both),
        "two_customers: the event has both `customer_id` and `anonymous_id`; only `identify` and `alias` say that two ids are one customer, every other event names one",
    );
    refused(
        &line("seen", r#""anonymous_id":"""#),
        "bad_id: anonymous_id: anonymous id is empty; give it at least one character",
    );
}

#[test]
fn cloud_events_are_read() {
    let event = read_event_line(
        r#"{"specversion":"1.0","id":"e1","source":"/shop/web","type":"com.shop.purchase","time":"2026-01-05T09:00:00Z","subject":"c1","datacontenttype":"application/json; charset=utf-8","dataschema":"http://x/y","traceparent":"00-1","channel":"web","workspace":"w","data":{"value":2.0}}"#,
    )
    .unwrap();
    assert_eq!(event.customer.to_string(), "w/c1");
    assert_eq!(
        (event.source.as_str(), event.id.as_str()),
        ("/shop/web", "e1")
    );
    assert_eq!(event.name.as_str(), "com.shop.purchase");
    assert_eq!(event.channel.as_deref(), Some("web"));
    let properties = Value::Map(event.properties);
    assert_eq!(
        properties.to_string(),
        r#"{"traceparent":"00-1","value":2}"#
    );
}

fn cloud_event(rest: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e1","source":"s","type":"t","time":"2026-01-05T09:00:00Z"{rest}}}"#
    )
}

#[test]
fn the_content_of_a_cloud_event_names_its_customer_before_its_subject() {
    for (rest, expected) in [
        (r#","subject":"c1""#, "shop/c1 t {}"),
        (
            r#","subject":"order/7","data":{"customer_id":"c2"}"#,
            "shop/c2 t {}",
        ),
        (
            r#","subject":"order/7","data":{"anonymous_id":"x","n":1}"#,
            r#"shop/anonymous:x t {"n":1}"#,
        ),
    ] {
        assert_eq!(read(&cloud_event(rest)), expected);
    }
}

#[test]
fn bad_cloud_events_say_what_is_wrong() {
    for (rest, expected) in [
        (
            "",
            "missing_field: the event lacks `subject`, which names the customer (or `data.customer_id`, `data.anonymous_id`)",
        ),
        (
            r#","subject":"c","data":"text""#,
            "wrong_type: `data` is an object, found text",
        ),
        (
            r#","subject":"c","data_base64":"AA==""#,
            "not_supported: binary `data_base64` is not supported; send `data` as a JSON object",
        ),
        (
            r#","subject":"c","datacontenttype":"text/xml""#,
            "not_supported: datacontenttype `text/xml` is not supported; send `data` as a JSON object (`application/json`)",
        ),
        (
            r#","subject":"c","customer_id":"x""#,
            "unknown_field: `customer_id` is no attribute of CloudEvents (they have lower-case letters and digits only); the content of the event goes into `data`",
        ),
        (
            r#","subject":"c","n":1,"data":{"n":2}"#,
            "ambiguous_field: `n` is both an extension attribute and a field of `data`",
        ),
    ] {
        refused(&cloud_event(rest), expected);
    }
    refused(
        r#"{"specversion":"0.3"}"#,
        "not_supported: specversion `0.3` is not supported; CloudEvents are read in version 1.0",
    );
    refused(
        r#"{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"c"}"#,
        "missing_field: the event lacks `time`, which every line of a file needs",
    );
}

fn segment(kind: &str, rest: &str) -> String {
    format!(
        r#"{{"type":"{kind}","messageId":"m1","timestamp":"2026-01-05T09:00:00Z","sentAt":"2026-01-05T09:00:09Z","integrations":{{"All":true}},"_metadata":{{"a":1}},{rest}}}"#
    )
}

#[test]
fn segment_calls_are_read() {
    for (kind, rest, expected) in [
        (
            "track",
            r#""userId":"u","event":"Order Completed","properties":{"total":9.5}"#,
            r#"shop/u Order Completed {"total":9.5}"#,
        ),
        (
            "track",
            r#""userId":"u","anonymousId":"x","event":"Seen","context":{"locale":"de"}"#,
            r#"shop/u Seen {"anonymous_id":"x","context":{"locale":"de"}}"#,
        ),
        (
            "page",
            r#""anonymousId":"x","userId":null,"name":"Home","properties":{"url":"/"}"#,
            r#"shop/anonymous:x page_viewed {"name":"Home","url":"/"}"#,
        ),
        (
            "screen",
            r#""userId":"u","category":"Shop""#,
            r#"shop/u screen_viewed {"category":"Shop"}"#,
        ),
        (
            "identify",
            r#""userId":"u","anonymousId":"x","traits":{"plan":"gold","city":null},"context":{"locale":"de"}"#,
            r#"shop/u identify {"anonymous_id":"x","city":null,"plan":"gold"}"#,
        ),
        (
            "group",
            r#""userId":"u","groupId":"g","traits":{"size":3}"#,
            r#"shop/u group {"group_id":"g","traits":{"size":3}}"#,
        ),
        (
            "alias",
            r#""userId":"u","previousId":"old""#,
            r#"shop/u alias {"previous_id":"old"}"#,
        ),
    ] {
        assert_eq!(read(&segment(kind, rest)), expected);
    }
    let line = segment(
        "track",
        r#""userId":"u","event":"e","channel":"server","context":{"device":{"id":"d1"}}"#,
    );
    let event = read_event_line(&line).unwrap();
    assert_eq!(event.id.as_str(), "m1");
    assert_eq!(event.occurred_at.to_string(), "2026-01-05T09:00:00Z");
    assert_eq!(event.channel.as_deref(), Some("server"));
    assert_eq!(event.device.as_deref(), Some("d1"));
}

#[test]
fn bad_segment_calls_say_what_is_wrong() {
    refused(
        r#"{"userId":"u"}"#,
        "missing_field: the event lacks `type`: a Segment event is one of `track`, `page`, `screen`, `identify`, `group` or `alias`",
    );
    for (kind, rest, expected) in [
        (
            "trck",
            r#""userId":"u""#,
            "unknown_type: `type` is one of `track`, `page`, `screen`, `identify`, `group` or `alias` in a Segment event, found `trck`",
        ),
        (
            "track",
            r#""userId":"u""#,
            "missing_field: the event lacks `event`",
        ),
        (
            "track",
            r#""event":"e""#,
            "missing_field: the event lacks `userId` (or `anonymousId`)",
        ),
        (
            "track",
            r#""userId":"u","event":"e","propertes":{}"#,
            "unknown_field: unknown field `propertes`; did you mean `properties`?",
        ),
        (
            "identify",
            r#""userId":"u","traits":[]"#,
            "wrong_type: `traits` is an object, found list",
        ),
        (
            "alias",
            r#""userId":"u""#,
            "missing_field: the event lacks `previousId`",
        ),
        (
            "track",
            r#""userId":5,"event":"e""#,
            "wrong_type: `userId` is text, found int; put it in quotes",
        ),
    ] {
        refused(&segment(kind, rest), expected);
    }
    refused(
        r#"{"type":"track","userId":"u","event":"e","timestamp":"2026-01-05T09:00:00Z"}"#,
        "missing_field: the event lacks `messageId`",
    );
    refused(
        r#"{"type":"track","userId":"u","event":"e","messageId":"1"}"#,
        "missing_field: the event lacks `timestamp`, which every line of a file needs",
    );
}

#[test]
fn what_no_json_line_can_be_says_so() {
    refused(
        "{\"a\":1}\0",
        "not_json: the line holds NUL bytes: the file is binary, UTF-16, or was cut off by a crash; write it as UTF-8 text",
    );
    refused(
        r#"{"customer_id":"c","properties":{"a":NaN}}"#,
        "not_json: expected value at column 38",
    );
    refused(
        r#"{"customer_id":"c","properties":{"a":1e999}}"#,
        "not_json: number out of range at column 42",
    );
}

#[test]
fn nesting_without_end_is_refused() {
    let line = format!("{{\"properties\":{{\"a\":{}1", "[".repeat(100_000));
    let problem = read_event_line(&line).expect_err("too deep");
    assert_eq!(problem.reason, "not_json");
}
