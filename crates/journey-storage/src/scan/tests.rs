//! Scans over more rows than a page holds.

use super::*;
use crate::engine::{Engine as _, Put};
use crate::memory::{CrashPoint, MemoryEngine};

fn keys(scan: Scan<'_>) -> Vec<Vec<u8>> {
    scan.map(|row| row.unwrap().0).collect()
}

#[test]
fn every_row_is_given_once_whatever_the_number_of_pages() {
    let engine = MemoryEngine::new(9);
    for n_rows in [
        0,
        1,
        SCAN_PAGE_ROWS - 1,
        SCAN_PAGE_ROWS,
        SCAN_PAGE_ROWS + 1,
        3 * SCAN_PAGE_ROWS,
    ] {
        let tree = engine.tree(&n_rows.to_string()).unwrap();
        let expected: Vec<Vec<u8>> = (0..n_rows).map(|n| n.to_be_bytes().to_vec()).collect();
        let puts: Vec<Put> = expected
            .iter()
            .map(|key| Put::set(key.as_slice(), "x"))
            .collect();
        tree.put_ordered(&puts).unwrap();
        let found = keys(Scan::new(&*tree, Bound::Unbounded, Bound::Unbounded));
        assert_eq!(found, expected);
    }
}

#[test]
fn prefix_scan_gives_only_its_own_rows() {
    let engine = MemoryEngine::new(9);
    let tree = engine.tree("p1").unwrap();
    for key in ["m", "s", "sa", "sb", "t", "ta"] {
        tree.put_ordered(&[Put::set(key, "x")]).unwrap();
    }
    assert_eq!(
        keys(Scan::prefix(&*tree, b"s")),
        [b"s".as_slice(), b"sa", b"sb"]
    );
}

#[test]
fn scan_ends_after_an_error() {
    let engine = MemoryEngine::new(9);
    let tree = engine.tree("p1").unwrap();
    let mut scan = Scan::prefix(&*tree, b"s");
    let survivor = engine.crash(CrashPoint::Flushed);
    assert!(scan.next().unwrap().is_err());
    assert!(scan.next().is_none());
    assert_eq!(survivor.tree_names(), Vec::<String>::new());
}
