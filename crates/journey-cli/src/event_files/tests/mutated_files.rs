//! Files with bytes changed at random: nothing panics, nothing stops the rest, no line is answered twice.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::{CDNOW_MAP, event, gzip, json_lines, written};

const N_FILES: u64 = 1_500;
/// Pieces that mean something to one of the readers.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b":",
    b",",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"null",
    b"\xef\xbb\xbf",
];

fn whole_file() -> Vec<u8> {
    let lines = [
        "customer_id date n value".to_owned(),
        "00001 19970101 1 11.77".to_owned(),
        event("a"),
        r#"{"specversion":"1.0","id":"ce","source":"s","type":"t","time":"2026-01-05T09:00:00Z","subject":"ann","data":{"x":[1,{"y":2.5}]}}"#.to_owned(),
        r#"{"type":"identify","userId":"u","anonymousId":"x","messageId":"sg","timestamp":"2026-01-05T09:00:00Z","traits":{"a":null}}"#.to_owned(),
        r#"{"type":"page","anonymousId":"x","messageId":"sh","timestamp":"2026-01-05T09:00:00Z","context":{"device":{"id":"d"}}}"#.to_owned(),
    ];
    lines.join("\n").into_bytes()
}

fn mutate(bytes: &mut Vec<u8>, random: &mut SmallRng) {
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..4) {
            0 => bytes.truncate(at.max(1)),
            1 => {
                let end = bytes.len().min(at + random.random_range(0..20));
                bytes.drain(at..end);
            }
            2 => {
                let piece = PIECES.choose(random).copied().unwrap_or_default();
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.random();
                }
            }
        }
    }
}

#[test]
fn whatever_a_file_holds_each_line_is_answered_at_most_once() {
    let file = written("");
    let map = file.map(CDNOW_MAP).unwrap();
    for seed in 0..N_FILES {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut content = whole_file();
        let is_packed = random.random_bool(0.3);
        if is_packed && random.random_bool(0.5) {
            content = gzip(&content);
        }
        mutate(&mut content, &mut random);
        std::fs::write(&file.path, &content).unwrap();
        for format in [&json_lines(), &map] {
            // Files of other kinds are refused whole, by name.
            let Ok(seen) = file.read(format) else {
                continue;
            };
            let numbers: Vec<u64> = seen
                .iter()
                .map(|line| line.split([' ', ':']).next().unwrap().parse().unwrap())
                .collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "seed {seed}: {seen:?}");
        }
    }
}
