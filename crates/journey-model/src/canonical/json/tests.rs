//! The examples of RFC 8785.

use std::collections::BTreeMap;

use journey_types::Value;

use super::canonical_json;

#[test]
fn numbers_are_printed_as_ecmascript_prints_them() {
    let printed = |number: f64| canonical_json(&Value::Double(number));
    for (number, expected) in [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
        (9_007_199_254_740_992.0, "9007199254740992"),
        (295_147_905_179_352_830_000.0, "295147905179352830000"),
        (9.999_999_999_999_997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (0.000_001, "0.000001"),
        (0.000_000_1, "1e-7"),
        (4.5, "4.5"),
        (0.002, "0.002"),
        (1e30, "1e+30"),
        (333_333_333.333_333_3, "333333333.3333333"),
    ] {
        assert_eq!(printed(number), expected);
    }
    assert_eq!(
        canonical_json(&Value::Int(i64::MIN)),
        "-9223372036854775808"
    );
}

#[test]
fn names_are_sorted_by_utf_16_units() {
    let names = [
        "\u{20ac}",
        "\r",
        "\u{fb33}",
        "1",
        "\u{1f600}",
        "\u{80}",
        "\u{f6}",
    ];
    let fields: BTreeMap<String, Value> = names
        .into_iter()
        .map(|name| (name.to_owned(), Value::Null))
        .collect();
    assert_eq!(
        canonical_json(&Value::Map(fields)),
        "{\"\\r\":null,\"1\":null,\"\u{80}\":null,\"\u{f6}\":null,\"\u{20ac}\":null,\"\u{1f600}\":null,\"\u{fb33}\":null}"
    );
}

#[test]
fn only_what_must_be_escaped_is() {
    let text = Value::text("\u{20ac}$\u{f}\nA'B\"\\\"/\u{7f}");
    assert_eq!(
        canonical_json(&text),
        "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\"/\u{7f}\""
    );
}
