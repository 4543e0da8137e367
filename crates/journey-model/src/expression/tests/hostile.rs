//! Hostile sources and values: nothing panics, nothing runs away; and where our operators claim to be CEL's, the
//! crate's own interpreter agrees.

use journey_types::Value;
use proptest::prelude::*;

use super::fixture::{ANYWHERE, Fixture, compile};
use crate::expression::{Expression, Position, Site};

/// Pieces that sources are made of, so that many of them compile.
const PIECES: [&str; 64] = [
    "event",
    "entry",
    "customer",
    "vars",
    "now",
    "local",
    "history",
    "journeys",
    "instance",
    ".properties",
    ".traits",
    ".value",
    ".x",
    ".?x",
    "[0]",
    "[?1]",
    "['a']",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " != ",
    " < ",
    " >= ",
    " && ",
    " || ",
    "!",
    "-",
    " in ",
    "1",
    "0",
    "-9223372036854775808",
    "9223372036854775807",
    "1.5",
    "1e308",
    "'a'",
    "\"b\"",
    "'\\u00e9'",
    "true",
    "null",
    "has(",
    "size(",
    "timestamp(",
    "span('1d')",
    ".map(x, ",
    ".all(x, ",
    ".exists(y, ",
    ".orValue(",
    "history.count('a', '1d')",
    ".matches('a+')",
    "string(",
    "int(",
    "\u{1F600}",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Double),
        ".{0,12}".prop_map(Value::Text),
        any::<i64>().prop_map(|ms| Value::Time(journey_types::Timestamp::from_unix_ms(ms))),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..6).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_source_panics(source in "\\PC{0,80}") {
        drop(Expression::compile(&source, &ANYWHERE).map(|it| it.evaluate(&Fixture::new().scope())));
    }

    #[test]
    fn no_arrangement_of_pieces_panics(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..24),
        value in any_value(),
    ) {
        let source = pieces.concat();
        match Expression::compile(&source, &ANYWHERE) {
            Ok(expression) => {
                let mut fixture = Fixture::new();
                fixture.event.properties.insert("x".to_owned(), value.clone());
                fixture.event.properties.insert("value".to_owned(), value.clone());
                fixture.traits.insert("x".to_owned(), value);
                // Twice the same: evaluation depends on nothing else.
                let first = expression.evaluate(&fixture.scope());
                let second = expression.evaluate(&fixture.scope());
                prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(source.get(problem.range.clone()).is_some(), "{:?} in {}", problem, source);
                }
            }
        }
    }

    #[test]
    fn operators_never_panic_on_any_values(left in any_value(), right in any_value()) {
        let mut fixture = Fixture::new();
        fixture.event.properties.insert("a".to_owned(), left);
        fixture.event.properties.insert("b".to_owned(), right);
        for operator in ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"] {
            let source = format!("event.properties.a {operator} event.properties.b");
            drop(compile(&source).evaluate(&fixture.scope()));
        }
        for call in ["size(A)", "int(A)", "double(A)", "string(A)", "bool(A)", "timestamp(A)", "span(A)", "-A", "!A", "A[B]", "A[?B]",
            "A.all(x, x == B)", "A.map(x, x)", "A.getHours(B)", "A.contains(B)", "A.?x.orValue(B)", "{'k': A}.k == B", "[A, B]"] {
            let source = call.replace('A', "event.properties.a").replace('B', "event.properties.b");
            drop(compile(&source).evaluate(&fixture.scope()));
        }
    }

    #[test]
    fn numbers_compare_by_value(left in any::<i64>(), right in any::<i32>(), fraction in 0_u8..4) {
        let right = f64::from(right) + f64::from(fraction) / 4.0;
        let mut fixture = Fixture::new();
        fixture.event.properties.insert("a".to_owned(), Value::Int(left));
        fixture.event.properties.insert("b".to_owned(), Value::Double(right));
        let less = compile("event.properties.a < event.properties.b").evaluate(&fixture.scope());
        // Exact: both sides as quarters in 128 bits.
        #[expect(clippy::cast_possible_truncation, reason = "a few billion quarters")]
        let quarters = (right * 4.0) as i128;
        prop_assert_eq!(less, Ok(Value::Bool(i128::from(left) * 4 < quarters)));
    }
}

#[test]
fn deep_and_wide_sources_end_without_a_panic() {
    let hostile = [
        "(".repeat(4_096),
        "[".repeat(4_096),
        "{".repeat(4_096),
        "!".repeat(4_095) + "1",
        "-".repeat(4_095) + "1",
        "a.".repeat(2_000) + "b",
        "1?".repeat(1_000),
        "x?x:".repeat(1_000) + "x",
        "f(".repeat(2_000),
        "'a'+".repeat(1_000) + "'a'",
        "[1].map(x,".repeat(400),
        "\\".repeat(4_000),
        "'".repeat(4_001),
        "\u{0}".repeat(100),
        "a.?b".repeat(1_000),
        "a[0]".repeat(1_000),
    ];
    for source in hostile {
        // A thread of the size that servers use by default.
        let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let compiled = thread
            .spawn(move || {
                Expression::compile(&source, &ANYWHERE)
                    .map(|it| it.evaluate(&Fixture::new().scope()))
            })
            .expect("a thread starts")
            .join();
        assert!(compiled.is_ok(), "the compiler panicked");
    }
}

/// Plain CEL, without what we add or leave out.
const PLAIN: &[&str] = &[
    "1 + 2 * 3",
    "7 / 2",
    "-7 / 2",
    "-7 % 3",
    "1.5 * 2.0",
    "'a' + 'b'",
    "[1, 2] + [3]",
    "1 == 1.0",
    "1 < 1.5",
    "'a' < 'b'",
    "true || 1 / 0 == 1",
    "1 / 0 == 1 || true",
    "false && 1 / 0 == 1",
    "1 / 0 == 1 && false",
    "1 / 0 == 1 || false",
    "!true",
    "true ? 1 : 2",
    "1 in [1, 2]",
    "'a' in {'a': 1}",
    "{'a': 1}.a",
    "{'a': 1}['a']",
    "{'a': 1}.b",
    "has({'a': 1}.a)",
    "has({'a': 1}.b)",
    "{'a': 1}.?b.orValue(2)",
    "{'a': 1}.?a.orValue(2)",
    "{'a': {'b': 1}}.?a.?b.orValue(2)",
    "{'a': {'b': 1}}.?a.b.orValue(2)",
    "{'a': {'b': 1}}.?c.b.orValue(2)",
    "[1, 2][?5].orValue(7)",
    "[1, 2][1]",
    "[1, 2][5]",
    "[1, 2, 3].all(x, x > 0)",
    "[1, 2, 3].all(x, x > 1)",
    "[1, 2, 3].exists(x, x > 2)",
    "[1, 2, 3].exists(x, 1 / (x - 1) > 0)",
    "[1, 2, 3].all(x, 1 / (x - 1) > 0 && x < 2)",
    "[1, 2, 3].exists_one(x, x > 2)",
    "[1, 2, 3].map(x, x * 2)",
    "[1, 2, 3].map(x, x > 1, x * 2)",
    "[1, 2, 3].filter(x, x > 1)",
    "[[1], [2]].map(x, x.map(y, y + 1))",
    "size('äöü')",
    "size([1, 2])",
    "size({'a': 1})",
    "'abc'.contains('b')",
    "'abc'.startsWith('a')",
    "'abc'.endsWith('c')",
    "'abc'.matches('^a')",
    "matches('abc', 'b')",
    "int('3')",
    "int(1.9)",
    "int(-1.9)",
    "double(1)",
    "double('1.5')",
    "string(1)",
    "string(true)",
    "bool('true')",
    "9223372036854775807 + 1",
    "-(-9223372036854775807 - 1)",
    "1 / 0",
    "1 % 0",
    "1 == 'a'",
    "[1, 'a', null] == [1.0, 'a', null]",
    "{'a': [1]} == {'a': [1.0]}",
    "null == null",
    "'a' + 1",
    "-'a'",
    "!1",
    "1 < 'a'",
    "timestamp('2026-01-05T09:00:00Z').getHours()",
    "timestamp('2026-01-05T09:00:00Z').getMonth()",
    "timestamp('2026-01-05T09:00:00Z').getDate()",
    "timestamp('2026-01-05T09:00:00Z').getDayOfWeek()",
    "timestamp('2026-01-05T09:00:00Z').getDayOfYear()",
    "timestamp('2026-01-05T09:00:00Z').getDayOfMonth()",
    "timestamp('2026-01-05T09:00:00Z').getFullYear()",
    "timestamp('2026-01-05T09:00:00Z').getHours('Europe/Berlin')",
    "int(timestamp('2026-01-05T09:00:00Z'))",
    "timestamp('2026-01-05T09:00:00Z') < timestamp('2026-01-05T10:00:00+00:30')",
    "timestamp('2026-01-05T09:00:00Z') == timestamp('2026-01-05T10:00:00+01:00')",
    "optional.of(1).hasValue()",
    "optional.none().hasValue()",
    "optional.none().or(optional.of(3)).value()",
    "optional.none().value()",
    "[1].map(x, [x, x + 1])",
    "true && 'a'",
    "'a' || true",
    "false ? 1 / 0 : 2",
];

#[test]
fn the_crates_interpreter_agrees_where_cel_is_plain() {
    let environment = cel::Env::stdlib().with_optional_support(true);
    for source in PLAIN {
        let program = environment
            .compile(source)
            .unwrap_or_else(|error| panic!("{source}: {error}"));
        let theirs = program.execute(&cel::Context::with_env(std::sync::Arc::new(
            cel::Env::stdlib().with_optional_support(true),
        )));
        let ours = compile(source).evaluate(&Fixture::new().scope());
        match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => {
                assert_eq!(as_value(theirs), *ours, "{source}");
            }
            (Err(_), Err(_)) => {}
            _ => panic!("{source}: the crate gives {theirs:?}, we give {ours:?}"),
        }
    }
}

fn as_value(value: &cel::Value) -> Value {
    match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(flag) => Value::Bool(*flag),
        cel::Value::Int(number) => Value::Int(*number),
        cel::Value::Float(number) => Value::number(*number),
        cel::Value::String(text) => Value::text(text.as_str()),
        cel::Value::List(items) => Value::List(items.iter().map(as_value).collect()),
        other => panic!("not in the table: {other:?}"),
    }
}

#[test]
fn expressions_are_shared_between_threads_and_equal_by_source() {
    fn is_shared<T: Send + Sync + Clone>(_: &T) {}
    let expression = compile("event.name == 'a'");
    is_shared(&expression);
    assert_eq!(expression, expression.clone());
    let elsewhere = Expression::compile("event.name == 'a'", &Site::at(Position::Key));
    assert_eq!(Ok(expression), elsewhere);
    assert_ne!(compile("1"), compile("2"));
}
