//! Claims about remembered event ids.

use std::collections::BTreeMap;

use journey_types::{ClusterKey, EventId, Fingerprint, SourceName, TimeSpan, Timestamp};
use proptest::prelude::*;

use super::{Dedupe, Lookup, RowsOfIds};

fn fingerprint(n: usize) -> Fingerprint {
    let key = ClusterKey::new([7; 16]);
    let source = SourceName::new("default").unwrap();
    Fingerprint::of(&key, &source, &EventId::new(n.to_string()).unwrap())
}

fn at(secs: usize) -> Timestamp {
    Timestamp::EPOCH.plus(TimeSpan::from_secs(i64::try_from(secs).unwrap()))
}

/// Rows of segments, as whoever stores customers has them.
#[derive(Default)]
struct Rows(BTreeMap<u64, Vec<(Fingerprint, Timestamp)>>);

impl Rows {
    fn write(&mut self, dedupe: &Dedupe) {
        self.0 = self.0.split_off(&dedupe.first_segment());
        for segment in dedupe.segments_to_write() {
            self.0.insert(segment.number, segment.ids.clone());
            segment.mark_written();
        }
    }

    fn contains(&self, dedupe: &Dedupe, fingerprint: &Fingerprint, now: Timestamp) -> bool {
        let rows = match dedupe.look_up(fingerprint, now) {
            Lookup::Known | Lookup::New => RowsOfIds::NotAsked,
            Lookup::Rows(places) => {
                let ids = places.iter().map(|it| &self.0[&it.segment][it.index]);
                let mut found = ids.filter(|(held, _)| held == fingerprint);
                RowsOfIds::Asked(found.next().map(|(_, at)| *at))
            }
        };
        dedupe.contains(fingerprint, now, rows)
    }
}

#[test]
fn every_id_of_the_window_is_known_and_no_other() {
    let mut dedupe = Dedupe::default();
    let rows = Rows::default();
    for n in 0..5_000 {
        assert!(!rows.contains(&dedupe, &fingerprint(n), at(n)));
        dedupe.remember(fingerprint(n), at(n));
    }
    assert!((0..5_000).all(|n| rows.contains(&dedupe, &fingerprint(n), at(5_000))));
    assert!(!rows.contains(&dedupe, &fingerprint(5_000), at(5_000)));
    assert_eq!(dedupe.n_ids(at(5_000)), 5_000);
    assert_eq!(dedupe.unwritten.len(), (5_000 - 8) / 16);
}

#[test]
fn written_ids_leave_memory_with_the_next_id_and_stay_known() {
    let (mut dedupe, mut rows) = (Dedupe::default(), Rows::default());
    for n in 0..5_000 {
        dedupe = dedupe.clone();
        dedupe.remember(fingerprint(n), at(n));
        assert!(dedupe.unwritten.len() <= 100 / 16 + 1);
        if n % 100 == 0 {
            rows.write(&dedupe);
        }
    }
    assert!((0..5_000).all(|n| rows.contains(&dedupe, &fingerprint(n), at(5_000))));
    let new = (5_000..25_000).map(fingerprint);
    let asked = new.filter(|new| dedupe.look_up(new, at(5_000)) != Lookup::New);
    let n_asked = asked.count();
    assert!(
        (500..3_000).contains(&n_asked),
        "about 5,000 in 65,536 of new ids ask rows: {n_asked} of 20,000"
    );
}

#[test]
fn an_id_that_rows_may_hold_is_not_decided_on_without_them() {
    let mut dedupe = Dedupe::default();
    for n in 0..17 {
        dedupe.remember(fingerprint(n), at(n));
    }
    Rows::default().write(&dedupe);
    // What is asked before a segment is written and decided on a copy made behind that is in memory all the while.
    let mut in_rows = dedupe.clone();
    let contains =
        |dedupe: &Dedupe, n| dedupe.contains(&fingerprint(n), at(17), RowsOfIds::NotAsked);
    assert!(contains(&dedupe, 3) && contains(&in_rows, 3));
    in_rows.remember(fingerprint(17), at(17));
    assert!(contains(&in_rows, 16));
    assert!(!contains(&in_rows, 18));
    assert!(std::panic::catch_unwind(|| contains(&in_rows, 3)).is_err());
}

#[test]
fn ids_lie_in_an_open_list_of_16_and_chunks_of_128() {
    let mut dedupe = Dedupe::default();
    for n in 0..1_000 {
        dedupe.remember(fingerprint(n), at(n));
        assert!(dedupe.open.len() <= 16);
    }
    let chunks = dedupe.chunks.iter();
    let sizes: Vec<usize> = chunks.map(|chunk| chunk.prefixes.len()).collect();
    assert_eq!(sizes, [128, 128, 128, 128, 128, 128, 128, 96]);
    assert_eq!(dedupe.open.len(), 8);
    let numbers: Vec<u64> = dedupe.chunks.iter().map(|chunk| chunk.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
    let segments: Vec<u64> = dedupe.unwritten.iter().map(|it| it.number).collect();
    assert_eq!(segments, (0..62).collect::<Vec<_>>());
}

#[test]
fn an_id_is_forgotten_after_7_days_to_the_millisecond() {
    for n_later in [0, 20] {
        let (mut dedupe, mut rows) = (Dedupe::default(), Rows::default());
        for n in 0..=n_later {
            dedupe.remember(fingerprint(n), at(n));
        }
        let seven_days = TimeSpan::from_days(7);
        let later = at(0).plus(seven_days).plus(TimeSpan::from_ms(1));
        for _ in ["in memory", "in rows"] {
            assert!(rows.contains(&dedupe, &fingerprint(0), at(0).plus(seven_days)));
            assert!(!rows.contains(&dedupe, &fingerprint(0), later));
            rows.write(&dedupe);
            dedupe.unwritten = std::sync::Arc::default();
        }
    }
    let mut dedupe = Dedupe::default();
    dedupe.remember(fingerprint(1), at(0));
    assert_eq!(dedupe.n_ids(at(1).plus(TimeSpan::from_days(7))), 0);
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
    assert_eq!(dedupe.first_segment(), 8);
    assert_eq!(dedupe.n_ids(late), 173, "a chunk counts whole");
    let all_gone = late.plus(TimeSpan::from_days(8));
    dedupe.remember(fingerprint(301), all_gone);
    assert!(dedupe.chunks.is_empty());
    assert_eq!(dedupe.first_segment(), dedupe.next_segment);
    // What follows never lies in a segment of a chunk that went half full.
    for n in 302..320 {
        dedupe.remember(fingerprint(n), all_gone);
    }
    assert_eq!(dedupe.chunks[0].number, 3);
    assert_eq!(dedupe.first_segment(), 24);
    assert_eq!(dedupe.unwritten.len(), 1, "those before it are forgotten");
}

#[test]
fn the_digest_tells_order_ids_and_stamps_apart() {
    let of = |ids: &[(usize, usize)]| {
        let mut dedupe = Dedupe::default();
        for (n, secs) in ids {
            dedupe.remember(fingerprint(*n), at(*secs));
        }
        for n in 0..16 {
            dedupe.remember(fingerprint(100 + n), at(100));
        }
        dedupe.chunks[0].digest
    };
    let digests = [
        of(&[(1, 1), (2, 2)]),
        of(&[(2, 1), (1, 2)]),
        of(&[(1, 1), (2, 3)]),
        of(&[(1, 1), (3, 2)]),
    ];
    let different: std::collections::BTreeSet<u64> = digests.into_iter().collect();
    assert_eq!(different.len(), digests.len());
    assert_eq!(of(&[(1, 1), (2, 2)]), digests[0]);
}

proptest! {
    #[test]
    fn memory_and_rows_together_know_what_a_list_of_all_ids_knows(
        steps in proptest::collection::vec((0_usize..400, 0_usize..20_000, 0_u8..12), 1..400),
    ) {
        let (mut dedupe, mut rows) = (Dedupe::default(), Rows::default());
        let mut all: BTreeMap<usize, Timestamp> = BTreeMap::new();
        let mut now = 0;
        for (id, passed, what) in steps {
            now += passed;
            let oldest = at(now).minus(TimeSpan::from_days(7));
            let is_known = all.get(&id).is_some_and(|accepted_at| *accepted_at >= oldest);
            prop_assert_eq!(rows.contains(&dedupe, &fingerprint(id), at(now)), is_known);
            if !is_known {
                dedupe = dedupe.clone();
                dedupe.remember(fingerprint(id), at(now));
                all.insert(id, at(now));
            }
            match what {
                0 => rows.write(&dedupe),
                // Read from its rows.
                1 => {
                    rows.write(&dedupe);
                    dedupe.unwritten = std::sync::Arc::default();
                }
                _ => {}
            }
        }
    }
}
