//! Files as people have them, and what is said of their lines.

use std::path::PathBuf;

use journey_types::Value;

use super::{LINE_SIZE_BYTES_MAX, LineFormat, read_file, total_bytes};

const CDNOW_MAP: &str = r#"
map: cdnow
format: { delimiter: whitespace, header: true }
customer_id: { column: 1 }
occurred_at: { column: 2, format: "%Y%m%d", zone: UTC }
name: purchase
id: "cdnow-{line}"
properties: { quantity: { column: 3, type: int }, value: { column: 4, type: double } }
"#;

/// A folder with one file of events in it.
struct Written {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn written(content: impl AsRef<[u8]>) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, content).unwrap();
    Written { folder, path }
}

impl Written {
    fn map(&self, text: &str) -> anyhow::Result<LineFormat> {
        let path = self.folder.path().join("map.yaml");
        std::fs::write(&path, text).unwrap();
        LineFormat::new(Some(&path), "shop")
    }

    /// Each line as `number id` or `number: reason`.
    fn read(&self, format: &LineFormat) -> anyhow::Result<Vec<String>> {
        let mut seen = Vec::new();
        read_file(&self.path, format, |line, event| {
            seen.push(match event {
                Ok(event) => format!("{line} {}", event.id),
                Err(bad) => {
                    assert_eq!((&bad.file, bad.line), (&self.path, line));
                    format!("{line}: {}", bad.reason)
                }
            });
            Ok(())
        })?;
        Ok(seen)
    }
}

fn event(id: &str) -> String {
    format!(
        r#"{{"customer_id":"ann","id":"{id}","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}}"#
    )
}

#[test]
fn blank_lines_are_no_events_but_count_as_lines() {
    let (first, last) = (event("a"), event("b"));
    let file = written(format!("\u{feff}{first}\r\n\r\n   \n{last}"));
    let seen = file.read(&LineFormat::JsonLines).unwrap();
    assert_eq!(seen, ["1 a", "4 b"]);
    assert_eq!(written("").read(&LineFormat::JsonLines).unwrap(), [""; 0]);
}

#[test]
fn a_line_that_is_not_utf8_does_not_stop_the_rest() {
    let mut content = event("a").into_bytes();
    content.extend(b"\n\xff\xfe{}\n");
    content.extend(event("b").as_bytes());
    let seen = written(content).read(&LineFormat::JsonLines).unwrap();
    let reason = "2: not_utf8: the line is not UTF-8 text; convert the file";
    assert_eq!(seen, ["1 a", reason, "3 b"]);
}

#[test]
fn a_line_that_is_no_event_is_named() {
    let content = [event("a"), "nonsense".to_owned(), event("b")].join("\n");
    let seen = written(content).read(&LineFormat::JsonLines).unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen[1].starts_with("2: not_json: "), "{seen:?}");
    assert_eq!(seen[2], "3 b");
}

#[test]
fn a_line_of_any_length_is_skipped_in_bounded_memory() {
    let size = usize::try_from(LINE_SIZE_BYTES_MAX).unwrap();
    for n_bytes in [size + 1, size * 2, size * 2 + 7] {
        let content = [event("a"), "x".repeat(n_bytes), event("b")].join("\n");
        let seen = written(content).read(&LineFormat::JsonLines).unwrap();
        let reason = "2: line_too_long: longer than 1048576 bytes";
        assert_eq!(seen, ["1 a", reason, "3 b"]);
    }
    let at_the_end = event("a") + "\n" + &"x".repeat(size * 2);
    let seen = written(at_the_end).read(&LineFormat::JsonLines).unwrap();
    assert_eq!(seen.len(), 2);
}

#[test]
fn gzip_is_refused_by_name() {
    let file = written([0x1f, 0x8b, 8, 0]);
    let refused = file.read(&LineFormat::JsonLines).unwrap_err().to_string();
    let expected = "events.jsonl is gzip, which is not available yet; unpack it first (gunzip -k)";
    assert!(refused.ends_with(expected), "{refused}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let file = written("");
    let missing = file.folder.path().join("none.jsonl");
    let refused = read_file(&missing, &LineFormat::JsonLines, |_, _| Ok(())).unwrap_err();
    assert!(format!("{refused:#}").contains("none.jsonl"), "{refused:#}");
}

#[test]
fn what_takes_the_events_can_stop_the_reading() {
    let file = written([event("a"), event("b")].join("\n"));
    let mut n_seen = 0;
    let stopped = read_file(&file.path, &LineFormat::JsonLines, |_, _| {
        n_seen += 1;
        anyhow::bail!("enough")
    });
    assert_eq!(stopped.unwrap_err().to_string(), "enough");
    assert_eq!(n_seen, 1);
}

#[test]
fn columns_become_an_event_of_the_workspace() {
    let file = written(
        " customer_id  date n value\r\n 00001 19970101  1   11.77\r\n\r\n 00002 1997 1 2\r\n",
    );
    let format = file.map(CDNOW_MAP).unwrap();
    let mut events = Vec::new();
    let mut faults = Vec::new();
    read_file(&file.path, &format, |_, event| {
        match event {
            Ok(event) => events.push(event),
            Err(bad) => faults.push((bad.line, bad.reason)),
        }
        Ok(())
    })
    .unwrap();
    let [event] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(event.customer.to_string(), "shop/00001");
    assert_eq!(event.id.as_str(), "cdnow-2");
    assert_eq!(event.occurred_at.to_string(), "1997-01-01T00:00:00Z");
    assert_eq!(event.properties.get("quantity"), Some(&Value::Int(1)));
    assert_eq!(event.properties.get("value"), Some(&Value::Double(11.77)));
    let [(4, reason)] = faults.as_slice() else {
        panic!("{faults:?}");
    };
    assert!(reason.contains("1997"), "{reason}");
}

#[test]
fn a_map_with_mistakes_is_refused_with_their_places() {
    let file = written("");
    let mistaken = CDNOW_MAP.replace("occurred_at:", "occured_at:");
    let refused = file.map(&mistaken).unwrap_err().to_string();
    for part in ["the map has mistakes", "map.yaml:5", "occurred_at"] {
        assert!(refused.contains(part), "{part:?} is missing in:\n{refused}");
    }
}

#[test]
fn a_map_file_holds_exactly_one_map() {
    let file = written("");
    let second = CDNOW_MAP.replace("map: cdnow", "map: other");
    for text in [
        format!("{CDNOW_MAP}---{second}"),
        "schema: s\nevents: {}\n".to_owned(),
    ] {
        let refused = file.map(&text).unwrap_err().to_string();
        assert!(
            refused.ends_with("must hold exactly one `map` document"),
            "{refused}"
        );
    }
    let missing = file.folder.path().join("none.yaml");
    let refused = LineFormat::new(Some(&missing), "shop").unwrap_err();
    assert!(
        format!("{refused:#}").contains("reading the map"),
        "{refused:#}"
    );
}

#[test]
fn bytes_of_files_are_added_up() {
    let (one, two) = (written("12345"), written("678"));
    let missing = one.folder.path().join("none");
    assert_eq!(total_bytes(&[one.path, two.path, missing]), 8);
}
