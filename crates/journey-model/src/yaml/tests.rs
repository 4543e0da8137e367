//! Trees of YAML, held against serde-saphyr with the switches of JOURNEYS section 1.

use serde_json::{Value as Json, json};

use super::{Node, NodeValue, documents};
use crate::problems::Problems;
use crate::source::Source;

fn json_of(node: &Node) -> Json {
    match &node.value {
        NodeValue::Null => Json::Null,
        NodeValue::Bool(flag) => json!(flag),
        NodeValue::Int(number) => json!(number),
        NodeValue::Double(number) => json!(number),
        NodeValue::Text(text) => json!(text),
        NodeValue::List(items) => items.iter().map(json_of).collect(),
        NodeValue::Map(entries) => {
            let pair = |entry: &super::Entry| (entry.key.text.clone(), json_of(&entry.value));
            Json::Object(entries.iter().map(pair).collect())
        }
        NodeValue::Refused => panic!("a part was refused"),
    }
}

fn read(text: &str) -> Vec<Json> {
    let source = Source::new("a.yaml", text);
    let mut problems = Problems::new(&source);
    let found = documents(&source.text, &mut problems);
    assert_eq!(problems.into_diagnostics(), []);
    found
        .iter()
        .map(|document| json_of(&document.root))
        .collect()
}

#[test]
fn scalars_mean_what_serde_saphyr_reads_with_its_switches() {
    let options = serde_saphyr::options! {
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    for scalar in [
        "yes",
        "on",
        "true",
        "True",
        "FALSE",
        "null",
        "~",
        "0755",
        "-007",
        "1_000",
        "12",
        "-12",
        "+12",
        "0",
        "0x1F",
        "0o17",
        "1.5",
        "-1.5",
        "1e3",
        "1.",
        ".5",
        "00.5",
        "12e03",
        "0.5.1",
        "2026-01-05",
        "09:00",
        "2d",
        "-1d",
        "a b",
        "'12'",
        "\"true\"",
        "1e",
        "e1",
        ".",
        "-",
        "+",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        let text = format!("a: {scalar}\n");
        if scalar == "-" {
            continue;
        }
        let theirs: Json = serde_saphyr::from_str_with_options(&text, options.clone()).unwrap();
        assert_eq!(read(&text), [theirs], "{scalar}");
    }
}

#[test]
fn collections_blocks_and_aliases_are_read_alike() {
    let text = "a: &x [1, { b: 'c' }]\nd: *x\ne: |\n  one\n  two\nf: >-\n  one\n  two\ng:\n- h: i\n  j: k\n-\n";
    let theirs: Json = serde_saphyr::from_str(text).unwrap();
    assert_eq!(read(text), [theirs]);
}

#[test]
fn every_document_has_its_own_text_that_reads_the_same() {
    let text = "# first\na: 1\n---\n# second\nb: 2\n...\n# third\nc: 3\n---\n---\nd: 4\n";
    let source = Source::new("a.yaml", text);
    let mut problems = Problems::new(&source);
    let found = documents(&source.text, &mut problems);
    assert_eq!(found.len(), 4);
    for document in &found {
        let own = &text[document.range.clone()];
        assert_eq!(read(own), [json_of(&document.root)], "{own:?}");
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for n in 1..9 {
        let alias = format!("*a{}", n - 1);
        let aliases = vec![alias; 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    let source = Source::new("a.yaml", text);
    let mut problems = Problems::new(&source);
    documents(&source.text, &mut problems);
    let diagnostics = problems.into_diagnostics();
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(
        diagnostics[0].message,
        "this file has more than 250000 values, aliases counted in full"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let source = Source::new(
        "a.yaml",
        format!("a: {}1{}", "[".repeat(100), "]".repeat(100)),
    );
    let mut problems = Problems::new(&source);
    assert!(documents(&source.text, &mut problems).is_empty());
    assert_eq!(problems.n_errors(), 1);
}
