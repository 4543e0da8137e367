//! Lines and files of events that cannot be read, in every form.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tests::{Ctl, Refusals};

use crate::world::{programs, write_file};

const HELLO: &str = "journey: hello\nentry: [ { event: a } ]\nsteps: { s: { delay: 1d } }\n";

/// One line each, each with the one thing that is wrong; `LONG` is 300 bytes, `DEEP` 40 lists in one another.
const LINES: &[(&str, &[&str])] = &[
    (
        "What is no event",
        &[
            "nonsense",
            r#"{"customer_id":"ann","#,
            "[1, 2]",
            "7",
            "null",
        ],
    ),
    (
        "Native",
        &[
            r#"{"id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"LONG","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"anonymous_id":"LONG","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":7,"id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","anonymous_id":"x","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","id":"1","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","id":"1","name":"","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen"}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":"yesterday"}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":1767603600}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":"1969-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen","occured_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z","properties":[]}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z","properties":{"a":1e999}}"#,
            r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z","properties":{"a":DEEP}}"#,
            r#"{"workspace":"","customer_id":"ann","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
            r#"{"customer_id":"ann","customer_id":"ben","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
        ],
    ),
    (
        "CloudEvents",
        &[
            r#"{"specversion":"0.3","id":"1","source":"shop","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann"}"#,
            r#"{"specversion":"1.0","source":"shop","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann"}"#,
            r#"{"specversion":"1.0","id":"1","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann"}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","time":"2026-01-05T09:00:00Z","subject":"ann"}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"seen","time":"2026-01-05T09:00:00Z"}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"seen","time":"soon","subject":"ann"}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"seen","subject":"ann"}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann","data_base64":"AA=="}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann","data":"text"}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann","Bad-Name":1}"#,
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann","shade":1,"data":{"shade":2}}"#,
        ],
    ),
    (
        "Segment",
        &[
            r#"{"type":"track","messageId":"1","event":"seen","timestamp":"2026-01-05T09:00:00Z"}"#,
            r#"{"type":"track","userId":"ann","event":"seen","timestamp":"2026-01-05T09:00:00Z"}"#,
            r#"{"type":"track","userId":"ann","messageId":"1","timestamp":"2026-01-05T09:00:00Z"}"#,
            r#"{"type":"track","userId":"ann","messageId":"1","event":"seen"}"#,
            r#"{"type":"trak","userId":"ann","messageId":"1","event":"seen","timestamp":"2026-01-05T09:00:00Z"}"#,
            r#"{"userId":"ann","messageId":"1","event":"seen","timestamp":"2026-01-05T09:00:00Z"}"#,
            r#"{"type":"track","userId":"ann","messageId":"1","event":"seen","timestamp":"2026-01-05T09:00:00Z","propertees":{}}"#,
            r#"{"type":"identify","userId":"ann","messageId":"1","timestamp":"2026-01-05T09:00:00Z","traits":7}"#,
        ],
    ),
];

const MAP: &str = r#"
map: shop
format: { delimiter: ",", header: true }
customer_id: { column: customer }
occurred_at: { column: day, format: "%Y-%m-%d", zone: UTC }
name: purchase
id: "shop-{line}"
properties: { value: { column: value, type: double } }
"#;

/// Delimited files, read with `MAP`.
const DELIMITED: &[&str] = &[
    "customer,day\nann,2026-01-05\n",
    "customer,day,value\nann,2026-01-05\n",
    "customer,day,value\n,2026-01-05,1\n",
    "customer,day,value\nann,5 January,1\n",
    "customer,day,value\nann,1969-12-31,1\n",
    "customer,day,value\nann,2026-01-05,much\n",
    "customer,day,value\n\"ann,2026-01-05,1\n",
    "customer,day,value\nann,2026-01-05,1,299\n",
    "customer,day,value\nDoe, Ann,2026-01-05,1\n",
];

fn gzip(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes())?;
    Ok(packed.finish()?)
}

/// Files that hold no lines of text, or not all of them.
fn files() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let event = "{\"customer_id\":\"ann\",\"id\":\"1\",\"name\":\"seen\",\"occurred_at\":\"2026-01-05T09:00:00Z\"}\n";
    let packed = gzip(event)?;
    let mut latin = event.as_bytes().to_vec();
    latin.extend(b"\xff\n");
    Ok(vec![
        ("gzip that was cut off", packed[..packed.len() - 9].to_vec()),
        (
            "gzip with bytes behind it",
            [&packed[..], b"garbage"].concat(),
        ),
        (
            "gzip that ends after its first bytes",
            vec![0x1f, 0x8b, 8, 0],
        ),
        ("gzip inside gzip", {
            let mut twice = GzEncoder::new(Vec::new(), Compression::default());
            twice.write_all(&packed)?;
            twice.finish()?
        }),
        ("zip", b"PK\x03\x04....".to_vec()),
        ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0]),
        ("xz", vec![0xfd, b'7', b'z', b'X', b'Z', 0]),
        ("bzip2", b"BZh91AY".to_vec()),
        ("Parquet", b"PAR1....".to_vec()),
        ("UTF-16", vec![0xff, 0xfe, b'{', 0]),
        ("a second line that is not UTF-8", latin),
        ("a line of 1.1 MB", vec![b'x'; 1_100_000]),
    ])
}

#[test]
fn every_line_that_cannot_be_read_has_its_answer_in_the_table() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().display().to_string();
    let journeys = write_file(folder.path(), "hello.yaml", HELLO)?;
    let map = write_file(folder.path(), "map.yaml", MAP)?;
    let (long, deep) = (
        "x".repeat(300),
        format!("{}1{}", "[".repeat(40), "]".repeat(40)),
    );
    let mut table = Refusals::new(
        "event-files",
        "Files of events",
        "What `journeyctl ingest` and `journeyctl simulate` say of lines and files that they cannot read: file, line, the reason as it \
         is counted in the report, and the words for it. The rest of the file is read, and the exit code is 1. `LONG` are 300 \
         bytes, `DEEP` are 40 lists in one another.",
    );
    table.replace(&format!("{place}/"), "");
    table.replace(&long, "LONG");
    table.replace(&deep, "DEEP");
    let ctl = Ctl::new(&programs(), "http://127.0.0.1:1");
    let events = folder.path().join("events").display().to_string();
    let read = |content: &[u8], with_map: bool| {
        std::fs::write(&events, content)?;
        let mut arguments = vec!["simulate", "--journeys", &journeys, "--events", &events];
        if with_map {
            arguments.extend(["--map", &map]);
        }
        let output = ctl.run(&arguments)?;
        anyhow::ensure!(output.code == 1, "{output:?}");
        Ok(output.stderr)
    };
    for (title, lines) in LINES {
        table.section(title);
        for line in *lines {
            let line = line.replace("LONG", &long).replace("DEEP", &deep);
            let said = read(line.as_bytes(), false)?;
            table.row(&line, &said)?;
        }
    }
    table.section("Delimited text, read with a map of `customer`, `day` and `value`");
    for text in DELIMITED {
        let said = read(text.as_bytes(), true)?;
        table.row(text, &said)?;
    }
    table.section("Files");
    for (what, content) in files()? {
        let said = read(&content, false)?;
        table.row(what, &said)?;
    }
    table.hold()
}
