//! Files as people have them, and what is said of their lines.

mod bad_files;
mod mutated_files;

use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use journey_types::Value;

use super::input::LINE_SIZE_BYTES_MAX;
use super::{LineFormat, ensure_readable, read_file, total_bytes};

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

/// JSON Lines of the workspace `shop`.
fn json_lines() -> LineFormat {
    LineFormat::new(None, "shop").unwrap()
}

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(content.as_ref()).unwrap();
    packed.finish().unwrap()
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
    let seen = file.read(&json_lines()).unwrap();
    assert_eq!(seen, ["1 a", "4 b"]);
    assert_eq!(written("").read(&json_lines()).unwrap(), [""; 0]);
}

#[test]
fn a_line_that_is_not_utf8_does_not_stop_the_rest() {
    let mut content = event("a").into_bytes();
    content.extend(b"\n\xff\xfe{}\n");
    content.extend(event("b").as_bytes());
    let seen = written(content).read(&json_lines()).unwrap();
    let reason = "2: not_utf8: the line is not UTF-8 text; convert the file (iconv -t UTF-8)";
    assert_eq!(seen, ["1 a", reason, "3 b"]);
}

#[test]
fn a_line_that_is_no_event_is_named() {
    let content = [event("a"), "nonsense".to_owned(), event("b")].join("\n");
    let seen = written(content).read(&json_lines()).unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen[1].starts_with("2: not_json: "), "{seen:?}");
    assert_eq!(seen[2], "3 b");
}

#[test]
fn a_line_of_any_length_is_skipped_in_bounded_memory() {
    let size = usize::try_from(LINE_SIZE_BYTES_MAX).unwrap();
    for n_bytes in [size + 1, size * 2, size * 2 + 7] {
        let content = [event("a"), "x".repeat(n_bytes), event("b")].join("\n");
        let seen = written(content).read(&json_lines()).unwrap();
        let reason = "2: line_too_long: longer than 1048576 bytes; an event stands on one line and its properties take at most 32 KiB";
        assert_eq!(seen, ["1 a", reason, "3 b"]);
    }
    let at_the_end = event("a") + "\n" + &"x".repeat(size * 2);
    let seen = written(at_the_end).read(&json_lines()).unwrap();
    assert_eq!(seen.len(), 2);
}

#[test]
fn gzip_is_unpacked_also_in_several_members() {
    let mut content = gzip(event("a") + "\n" + &event("b")[..20]);
    content.extend(gzip(&event("b")[20..]));
    content.extend(gzip(b"\nnonsense\n"));
    let seen = written(content).read(&json_lines()).unwrap();
    assert_eq!(seen[..2], ["1 a", "2 b"]);
    assert!(seen[2].starts_with("3: not_json: "), "{seen:?}");
}

#[test]
fn damaged_gzip_gives_what_came_before_and_says_so() {
    let lines: Vec<String> = (0..2_000).map(|n| event(&format!("e{n}"))).collect();
    let whole = gzip(lines.join("\n"));
    for damaged in [
        whole[..whole.len() / 2].to_vec(),
        [&whole[..], &b"garbage"[..]].concat(),
    ] {
        let seen = written(damaged).read(&json_lines()).unwrap();
        let (last, before) = seen.split_last().unwrap();
        assert!(before.len() > 100, "{seen:?}");
        let end = before.len() + 1;
        let expected = format!("{end}: gzip_damaged: the gzip data is cut off or damaged here (");
        assert!(last.starts_with(&expected), "{last}");
        assert!(before.iter().all(|line| line.contains(" e")), "{before:?}");
    }
    let only_the_start = written([0x1f, 0x8b, 8, 0]).read(&json_lines()).unwrap();
    assert!(
        only_the_start[0].starts_with("1: gzip_damaged: "),
        "{only_the_start:?}"
    );
}

#[test]
fn files_that_hold_no_text_are_refused_by_name() {
    for (content, expected) in [
        (
            gzip(gzip(event("a"))),
            "is gzip inside gzip; unpack it once (gunzip)",
        ),
        (
            b"PK\x03\x04....".to_vec(),
            "is a zip archive; unpack it (unzip), or pack its files with gzip",
        ),
        (
            vec![0x28, 0xb5, 0x2f, 0xfd, 0],
            "is packed with zstd; unpack it (zstd -d), or pack it with gzip",
        ),
        (
            vec![0xff, 0xfe, b'{', 0],
            "is UTF-16 text; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
        ),
        (
            gzip(b"PAR1..."),
            "is a Parquet file; export it as JSON Lines",
        ),
    ] {
        let refused = written(content)
            .read(&json_lines())
            .unwrap_err()
            .to_string();
        assert!(refused.ends_with(expected), "{refused}");
    }
}

#[test]
fn a_gzip_bomb_is_read_in_bounded_memory() {
    // 256 MiB of one line in 260 KB.
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b'x'; 1024 * 1024];
    for _ in 0..256 {
        packed.write_all(&zeros).unwrap();
    }
    packed.write_all(b"\n").unwrap();
    packed.write_all(event("a").as_bytes()).unwrap();
    let seen = written(packed.finish().unwrap())
        .read(&json_lines())
        .unwrap();
    assert!(seen[0].starts_with("1: line_too_long: "), "{seen:?}");
    assert_eq!(seen[1], "2 a");
}

#[test]
fn folders_and_missing_files_are_found_before_anything_is_read() {
    let file = written(event("a"));
    let folder = file.folder.path().to_path_buf();
    let missing = folder.join("none");
    for (bad, expected) in [
        (folder, "is a folder; name the files in it"),
        (missing, "No such file"),
    ] {
        let refused = ensure_readable(&[file.path.clone(), bad]).unwrap_err();
        let refused = format!("{refused:#}");
        assert!(refused.contains(expected), "{refused}");
    }
    let twice = ensure_readable(&["-".into(), "-".into()])
        .unwrap_err()
        .to_string();
    assert_eq!(
        twice,
        "standard input (`-`) is named 2 times; it can be read once"
    );
    ensure_readable(&[file.path, "-".into()]).unwrap();
}

#[test]
fn lines_of_all_forms_stand_in_one_file() {
    let content = [
        "customer_id date n value".to_owned(),
        "00001 19970101 1 11.77".to_owned(),
        event("a"),
        r#"{"specversion":"1.0","id":"ce","source":"s","type":"t","time":"2026-01-05T09:00:00Z","subject":"ann"}"#.to_owned(),
        r#"{"type":"track","userId":"u","event":"e","messageId":"sg","timestamp":"2026-01-05T09:00:00Z"}"#.to_owned(),
        "00002 19970102 1 2".to_owned(),
    ];
    let file = written(content.join("\n"));
    let seen = file.read(&file.map(CDNOW_MAP).unwrap()).unwrap();
    assert_eq!(seen, ["2 cdnow-2", "3 a", "4 ce", "5 sg", "6 cdnow-6"]);
    // Without the map, the delimited lines say how they are read.
    let seen = file.read(&json_lines()).unwrap();
    let expected =
        "2: not_json: trailing characters at column 2; delimited text is read with --map FILE";
    assert_eq!(
        seen[1].replace("invalid number", "trailing characters"),
        expected
    );
    assert_eq!(seen[2..5], ["3 a", "4 ce", "5 sg"]);
}

#[test]
fn lines_that_name_no_workspace_belong_to_the_chosen_one() {
    let named = event("b").replacen('{', r#"{"workspace":"default","#, 1);
    let file = written([event("a"), named].join("\n"));
    let mut customers = Vec::new();
    read_file(&file.path, &json_lines(), |_, event| {
        customers.push(event.unwrap().customer.to_string());
        Ok(())
    })
    .unwrap();
    assert_eq!(customers, ["shop/ann", "default/ann"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let file = written("");
    let missing = file.folder.path().join("none.jsonl");
    let refused = read_file(&missing, &json_lines(), |_, _| Ok(())).unwrap_err();
    assert!(format!("{refused:#}").contains("none.jsonl"), "{refused:#}");
}

#[test]
fn what_takes_the_events_can_stop_the_reading() {
    let file = written([event("a"), event("b")].join("\n"));
    let mut n_seen = 0;
    let stopped = read_file(&file.path, &json_lines(), |_, _| {
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
