//! Maps over small files, and over CDNOW where it is at hand.

use std::sync::Arc;

use journey_types::{CustomerEvent, Value, WorkspaceId};

use super::{MapDocument, MapReader};
use crate::event_line::LineDefaults;
use crate::known::Known;
use crate::problems::Problems;
use crate::reading::Reader;
use crate::source::Source;
use crate::yaml::documents;

const CDNOW: &str = r#"
map: cdnow
format: { delimiter: whitespace, header: true }
customer_id: { column: 1 }
occurred_at: { column: 2, format: "%Y%m%d", zone: UTC }
name: purchase
id: "cdnow-{line}"
properties: { quantity: { column: 3, type: int }, value: { column: 4, type: double } }
"#;

const SHOP: &str = r#"
map: shop
format: { delimiter: ";", header: true }
customer_id: "shop-{customer}"
occurred_at: { column: when, format: "%d/%m/%Y %H:%M", zone: Europe/London }
name: "{event}"
id: "{order}-{line}"
channel: { column: channel }
properties: { note: { column: note }, paid: { column: paid, type: bool }, due: { column: due, type: time }, what: "{event} by {customer}" }
"#;

fn map(text: &str) -> MapDocument {
    let source = Source::new("map.yaml", text);
    let mut problems = Problems::new(&source);
    let found = documents(&source.text, &mut problems);
    let known = Known::default();
    let map = super::read_map(&mut Reader::new(&mut problems, &known), &found[0].root);
    assert_eq!(problems.into_diagnostics(), []);
    map.unwrap()
}

fn reader(text: &str) -> MapReader {
    MapReader::new(
        Arc::new(map(text)),
        LineDefaults::of(WorkspaceId::default_workspace()),
    )
}

/// One line an event, compactly.
fn compact(event: &CustomerEvent) -> String {
    format!(
        "{} {} {} {} {:?} {}",
        event.customer.customer,
        event.id,
        event.name,
        event.occurred_at,
        event.channel,
        Value::Map(event.properties.clone())
    )
}

fn read(text: &str, lines: &str) -> Vec<String> {
    let mut reader = reader(text);
    (1..)
        .zip(lines.split_inclusive('\n'))
        .filter_map(
            |(line_number, line)| match reader.read_line(line_number, line) {
                Ok(event) => event.as_ref().map(compact),
                Err(problem) => Some(format!("line {line_number}: {problem}")),
            },
        )
        .collect()
}

#[test]
fn whitespace_files_are_read_by_column_numbers() {
    let lines = " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n\r\n 00002 19970112  5   77.00\r\n 00002 19970112  5   77.00";
    assert_eq!(
        read(CDNOW, lines),
        [
            r#"00001 cdnow-2 purchase 1997-01-01T00:00:00Z None {"quantity":1,"value":11.77}"#,
            r#"00002 cdnow-4 purchase 1997-01-12T00:00:00Z None {"quantity":5,"value":77}"#,
            r#"00002 cdnow-5 purchase 1997-01-12T00:00:00Z None {"quantity":5,"value":77}"#,
        ]
    );
}

#[test]
fn delimited_files_are_read_by_header_names() {
    let lines = "\u{feff}order;customer;when;event;channel;note;paid;due\no1;c1;05/07/2026 09:30;paid;web;\"a \"\"b\"\"; c\";TRUE;2026-08-01T00:00:00Z\no2;c1;05/01/2026 09:30;sent;;;;\n";
    assert_eq!(
        read(SHOP, lines),
        [
            r#"shop-c1 o1-2 paid 2026-07-05T08:30:00Z Some("web") {"due":"2026-08-01T00:00:00Z","note":"a \"b\"; c","paid":true,"what":"paid by c1"}"#,
            r#"shop-c1 o2-3 sent 2026-01-05T09:30:00Z None {"what":"sent by c1"}"#,
        ]
    );
}

#[test]
fn bad_lines_say_what_is_wrong_and_the_rest_is_read() {
    let lines = "h h h h\n00001\n00001 19971301 1 1\n00001 19970101 1.5 1\n00001 19970101 1 inf\n00001 19691231 1 1\n00001 19970101 1.0 1e1\n";
    let found = read(CDNOW, lines);
    let expected = [
        "line 2: missing_column: the line has no column 2: it has 1 columns",
        "line 3: bad_time: occurred_at `19971301`: it does not fit `%Y%m%d`: ",
        "line 4: bad_property: property `quantity` `1.5`: it is not a whole number",
        "line 5: bad_property: property `value` `inf`: it is not a number",
        "line 6: occurred_before_1970: ",
        r#"00001 cdnow-7 purchase 1997-01-01T00:00:00Z None {"quantity":1,"value":10}"#,
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    let quotes = "order;customer;when;event;channel;note;paid;due\n\"o1\"x;c\n\"o1;c\n";
    assert_eq!(
        read(SHOP, quotes),
        [
            "line 2: bad_columns: column 1 goes on after its closing quote",
            "line 3: bad_columns: a quoted column is never closed on its line",
        ]
    );
}

#[test]
fn a_header_without_a_named_column_is_refused() {
    let found = read(SHOP, "order;custmer;when;event;channel;note;paid;due\n");
    assert_eq!(
        found,
        ["line 1: bad_header: the header has no column `customer`; did you mean `custmer`?"]
    );
}

#[test]
fn the_cdnow_file_is_read_whole() {
    let text = cdnow_text();
    let mut reader = reader(CDNOW);
    let (mut n_events, mut quantity, mut cents) = (0_u64, 0_i64, 0_i64);
    for (line_number, line) in (1..).zip(text.lines()) {
        let Some(event) = reader.read_line(line_number, line).unwrap() else {
            continue;
        };
        n_events += 1;
        let Value::Int(bought) = &event.properties["quantity"] else {
            panic!("line {line_number} has no quantity");
        };
        quantity += bought;
        cents += cents_of(&event.properties["value"].to_string());
    }
    let expected = expected_sums(&text);
    assert_eq!((n_events, quantity, cents), expected);
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests on real data are told where it lies by $JOURNEYD_DATA"
)]
/// The file where it is at hand, else a few lines of its shape.
fn cdnow_text() -> String {
    let file = "cdnow/CDNOW_master.txt";
    let folders = [
        std::env::var("JOURNEYD_DATA").ok(),
        Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned()),
        Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data").to_owned()),
    ];
    for folder in folders.into_iter().flatten() {
        if let Ok(text) = std::fs::read_to_string(format!("{folder}/{file}")) {
            return text;
        }
    }
    println!("skipped: {file} is not at hand; a generated sample is read instead");
    let line = |n: u32| {
        format!(
            " {n:05} 1997{:02}{:02}  {}   {}.77\r\n",
            n % 12 + 1,
            n % 28 + 1,
            n % 9,
            n
        )
    };
    let lines: String = (1..500).map(line).collect();
    format!(" customer_id  date number_of_cds  dollar_value\r\n{lines}")
}

/// The same sums by plain cutting of columns.
fn expected_sums(text: &str) -> (u64, i64, i64) {
    let mut sums = (0, 0, 0);
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        sums.0 += 1;
        sums.1 += columns[2].parse::<i64>().unwrap();
        sums.2 += cents_of(columns[3]);
    }
    sums
}

/// Hundredths of a number with at most two decimals, exactly.
fn cents_of(number: &str) -> i64 {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}
