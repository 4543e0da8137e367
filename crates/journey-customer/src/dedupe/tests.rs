//! Claims about remembered event ids.

use journey_types::{ClusterKey, EventId, Fingerprint, SourceName, TimeSpan, Timestamp};

use super::{Dedupe, DedupeChunk};

fn fingerprint(n: usize) -> Fingerprint {
    let key = ClusterKey::new([7; 16]);
    let source = SourceName::new("default").unwrap();
    Fingerprint::of(&key, &source, &EventId::new(n.to_string()).unwrap())
}

fn at(secs: usize) -> Timestamp {
    Timestamp::EPOCH.plus(TimeSpan::from_secs(i64::try_from(secs).unwrap()))
}

#[test]
fn every_id_of_the_window_is_known_and_no_other() {
    let mut dedupe = Dedupe::default();
    for n in 0..5_000 {
        assert!(!dedupe.contains(&fingerprint(n), at(n)));
        dedupe.remember(fingerprint(n), at(n));
    }
    assert!((0..5_000).all(|n| dedupe.contains(&fingerprint(n), at(5_000))));
    assert!(!dedupe.contains(&fingerprint(5_000), at(5_000)));
    assert_eq!(dedupe.n_ids(at(5_000)), 5_000);
}

#[test]
fn ids_lie_in_an_open_chunk_of_16_and_closed_ones_of_128() {
    let mut dedupe = Dedupe::default();
    for n in 0..1_000 {
        dedupe.remember(fingerprint(n), at(n));
        assert!(dedupe.open.len() <= 16);
    }
    let sizes: Vec<usize> = dedupe.chunks.iter().map(|chunk| chunk.ids.len()).collect();
    assert_eq!(sizes, [128, 128, 128, 128, 128, 128, 128, 96]);
    assert_eq!(dedupe.open.len(), 8);
    let numbers: Vec<u64> = dedupe.chunks.iter().map(|chunk| chunk.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn an_id_is_forgotten_after_7_days_to_the_millisecond() {
    let mut dedupe = Dedupe::default();
    dedupe.remember(fingerprint(1), at(0));
    let seven_days = TimeSpan::from_days(7);
    assert!(dedupe.contains(&fingerprint(1), at(0).plus(seven_days)));
    let later = at(0).plus(seven_days).plus(TimeSpan::from_ms(1));
    assert!(!dedupe.contains(&fingerprint(1), later));
    assert_eq!(dedupe.n_ids(later), 0);
}

#[test]
fn whole_chunks_go_once_their_newest_id_is_too_old() {
    let mut dedupe = Dedupe::default();
    for n in 0..300 {
        dedupe.remember(fingerprint(n), at(n));
    }
    let late = at(200).plus(TimeSpan::from_days(7));
    dedupe.remember(fingerprint(300), late);
    let numbers: Vec<u64> = dedupe.chunks.iter().map(|chunk| chunk.number).collect();
    assert_eq!(numbers, [1, 2], "ids 0 to 127 are older than 7 days");
    assert_eq!(dedupe.n_ids(late), 101);
}

#[test]
fn a_chunk_read_from_storage_finds_what_the_live_one_finds() {
    let mut dedupe = Dedupe::default();
    for n in 0..200 {
        dedupe.remember(fingerprint(n), at(n));
    }
    let live = &dedupe.chunks[0];
    let read = DedupeChunk::new(live.number, live.ids.clone());
    assert_eq!(read, **live);
}
