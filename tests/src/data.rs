//! Real event logs where they are at hand, and which tests are wanted.

use std::path::{Path, PathBuf};

/// The CDNOW purchases, or `None` with a line `skipped: …` where they are absent.
#[must_use]
pub fn cdnow() -> Option<PathBuf> {
    real_data("cdnow/CDNOW_master.txt")
}

/// The loan applications of BPI Challenge 2012 (gzip), or `None` with a line `skipped: …` where they are absent.
#[must_use]
pub fn bpic2012() -> Option<PathBuf> {
    real_data("bpic2012/bpic2012.csv.gz")
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by the environment"
)]
fn real_data(name: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var("JOURNEYD_DATA").map_or(shared, PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    eprintln!(
        "skipped: {} is not there; set JOURNEYD_DATA to the folder that holds it",
        path.display()
    );
    None
}

/// Whether `RUN_SLOW_TESTS=1` is set.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by the environment"
)]
pub fn slow_tests_wanted() -> bool {
    std::env::var("RUN_SLOW_TESTS").is_ok_and(|value| value == "1")
}

/// The seed of a test that chooses by chance: that of `JOURNEY_TEST_SEED`, or another one each time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by the environment"
)]
pub fn test_seed() -> u64 {
    let given = std::env::var("JOURNEY_TEST_SEED").ok();
    given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random)
}
