//! The table of bad event files: what each says, line by line, as it is printed behind the name of the file.

use super::{gzip, json_lines, written};

const MAP: &str = r#"
map: shop
format: { delimiter: ",", header: true }
customer_id: { column: customer }
occurred_at: { column: day, format: "%Y-%m-%d" }
name: bought
id: "{line}"
properties: { n: { column: n, type: int }, paid: { column: paid, type: bool } }
"#;

fn native(rest: &str) -> String {
    format!(
        r#"{{"customer_id":"c","id":"1","name":"n","occurred_at":"2026-01-05T09:00:00Z"{rest}}}"#
    )
}

#[track_caller]
fn says(content: impl AsRef<[u8]>, expected: &[&str]) {
    let seen = written(content).read(&json_lines());
    assert_eq!(seen.unwrap(), expected);
}

#[test]
fn files_without_faults() {
    let fine = native("");
    says("", &[]);
    says("\u{feff}", &[]);
    says("\r\n\n  \n", &[]);
    says(gzip(""), &[]);
    says(format!("\u{feff}{fine}\r\n{fine}"), &["1 1", "2 1"]);
    says(native(r#","properties":{"n":1e308,"m":-0.0}"#), &["1 1"]);
}

#[test]
fn broken_lines() {
    for (line, expected) in [
        ("{'a': 1}", "1: not_json: key must be a string at column 2"),
        ("{\"a\":1,}", "1: not_json: trailing comma at column 8"),
        (
            "{\"a\":1} {\"b\":2}",
            "1: not_json: trailing characters at column 9",
        ),
        (
            "{\"a\":\"\t\"}",
            "1: not_json: control character (\\u0000-\\u001F) found while parsing a string at column 7",
        ),
        (
            "{\"a\":\"\\ud800\"}",
            "1: not_json: unexpected end of hex escape at column 13",
        ),
        (
            "{\"a\":\u{201c}x\u{201d}}",
            "1: not_json: expected value at column 6",
        ),
        ("null", "1: not_json: an event is"),
        (
            "\"text\"",
            "1: not_an_object: an event is a JSON object, found text",
        ),
        (
            "[{\"id\":1}]",
            "1: not_an_object: an event is a JSON object, found list; a file holds one object a line, not an array",
        ),
        (
            "a,b,c",
            "1: not_json: expected value at column 1; delimited text is read with --map FILE",
        ),
    ] {
        let seen = written(line).read(&json_lines()).unwrap();
        let expected = expected.replace("1: not_json: an event is", "1: not_an_object: an event is a JSON object, found null; delimited text is read with --map FILE");
        assert_eq!(seen, [expected], "{line}");
    }
    // An object over several lines: the first says why, and each is counted.
    let seen = written("{\n  \"id\": 1\n}").read(&json_lines()).unwrap();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(
        seen[0],
        "1: not_json: EOF while parsing an object at column 1; an event stands whole on one line"
    );
    says(
        b"{\"id\":\"\xff\"}",
        &["1: not_utf8: the line is not UTF-8 text; convert the file (iconv -t UTF-8)"],
    );
    let deep = format!("{{\"a\":{}", "[".repeat(200));
    says(
        deep,
        &[
            "1: not_json: nested deeper than any event (properties nest at most 32 levels) at column 132",
        ],
    );
}

#[test]
fn fields_that_do_not_fit() {
    let long = "x".repeat(257);
    for (fields, expected) in [
        (
            r#""id":"1""#.to_owned(),
            "missing_field: the event lacks `name`",
        ),
        (
            format!(r#""customer_id":"{long}","id":"1","name":"n""#),
            "bad_id: customer_id: customer id has 257 bytes, at most 256 are allowed",
        ),
        (
            r#""customer_id":"a\u0000b","id":"1","name":"n""#.to_owned(),
            "bad_id: customer_id: customer id \"a\\0b\" is not of the form text without control characters",
        ),
        (
            r#""customer_id":"c","id":"","name":"n""#.to_owned(),
            "bad_id: id: event id is empty; give it at least one character",
        ),
        (
            format!(r#""customer_id":"c","id":"1","name":"{long}""#),
            "bad_id: name: event name has 257 bytes, at most 128 are allowed",
        ),
        (
            r#""customer_id":["c"],"id":"1","name":"n""#.to_owned(),
            "wrong_type: `customer_id` is text, found list",
        ),
        (
            r#""customer_id":"c","id":7,"name":"n""#.to_owned(),
            "wrong_type: `id` is text, found int; put it in quotes",
        ),
        (
            r#""customer_id":"c","id":"1","name":"n","occurred_at":"+10000-01-01T00:00:00Z""#
                .to_owned(),
            "bad_time: occurred_at `+10000-01-01T00:00:00Z` is not RFC 3339 such as `2026-01-05T09:00:00Z`",
        ),
        (
            r#""customer_id":"c","id":"1","name":"n","occurred_at":"2026-02-30T00:00:00Z""#
                .to_owned(),
            "bad_time: occurred_at `2026-02-30T00:00:00Z` is not RFC 3339 such as `2026-01-05T09:00:00Z`",
        ),
        (
            r#""customer_id":"c","id":"1","name":"n","occurred_at":"2026-01-05 09:00""#.to_owned(),
            "bad_time: occurred_at `2026-01-05 09:00` is not RFC 3339 such as `2026-01-05T09:00:00Z`",
        ),
        (
            r#""customer_id":"c","id":"1","name":"n","time":"2026-01-05T09:00:00Z""#.to_owned(),
            "unknown_field: unknown field `time`; an event has `workspace`, `customer_id`, `anonymous_id`, `source`, `id`, `name`, `occurred_at`, `channel`, `device` and `properties`; everything else goes into `properties`",
        ),
    ] {
        says(format!("{{{fields}}}"), &[&format!("1: {expected}")]);
    }
    let rest = r#","properties":{"a":1,"a":2}"#;
    says(
        native(rest),
        &["1: not_json: `a` is written twice at column 102"],
    );
}

#[test]
fn mapped_lines_that_do_not_fit() {
    let head = "customer,day,n,paid\n";
    for (line, expected) in [
        (
            "ann,2026-01-05",
            "2: missing_column: the line has no column `n`: it has 2 columns",
        ),
        (
            ",2026-01-05,1,true",
            "2: bad_id: customer_id: customer id is empty; give it at least one character",
        ),
        (
            "ann,05.01.2026,1,true",
            "2: bad_time: occurred_at `05.01.2026`: it does not fit `%Y-%m-%d`: ",
        ),
        (
            "ann,1969-01-05,1,true",
            "2: occurred_before_1970: occurred_at lies before 1970-01-01T00:00:00Z; check its unit (milliseconds, not seconds or days)",
        ),
        (
            "ann,2026-01-05,1.5,true",
            "2: bad_property: property `n` `1.5`: it is not a whole number",
        ),
        (
            "ann,2026-01-05,NaN,true",
            "2: bad_property: property `n` `NaN`: it is not a whole number",
        ),
        (
            "ann,2026-01-05,1,yes",
            "2: bad_property: property `paid` `yes`: it is not `true` or `false`",
        ),
        (
            "\"ann,2026-01-05,1,true",
            "2: bad_columns: a quoted column is never closed on its line",
        ),
        (
            "\"ann\"x,2026-01-05,1,true",
            "2: bad_columns: column 1 goes on after its closing quote",
        ),
    ] {
        let file = written(format!("{head}{line}"));
        let seen = file.read(&file.map(MAP).unwrap()).unwrap();
        assert!(
            seen.len() == 1 && seen[0].starts_with(expected),
            "{line}: {seen:?}, expected {expected}"
        );
    }
    let file = written("custmer,day,n,paid\nann,2026-01-05,1,true");
    let seen = file.read(&file.map(MAP).unwrap()).unwrap();
    assert_eq!(
        seen[0],
        "1: bad_header: the header has no column `customer`; did you mean `custmer`?"
    );
}
