//! Marks, hysteresis, and what a folder takes.

use super::{DiskLevel, FolderProbe, Space, SpaceProbe as _, Watermarks};
use crate::config::{ByteCount, DiskConfig, Watermark};

fn space(free_mib: u64) -> Space {
    Space {
        total_bytes: 1_000 << 20,
        free_bytes: free_mib << 20,
        ..Space::default()
    }
}

fn marks() -> Watermarks {
    Watermarks::new(&DiskConfig {
        low: Watermark::Percent(20),
        high: Watermark::Percent(10),
        critical: Watermark::Bytes(50 << 20),
        ..DiskConfig::default()
    })
}

#[test]
fn each_mark_begins_at_its_number_and_ends_a_little_above() {
    let marks = marks();
    let mut level = DiskLevel::Ok;
    let steps = [
        (201, DiskLevel::Ok),
        (199, DiskLevel::Low),
        (205, DiskLevel::Low),
        (221, DiskLevel::Ok),
        (99, DiskLevel::High),
        (105, DiskLevel::High),
        (112, DiskLevel::Low),
        (49, DiskLevel::Critical),
        (54, DiskLevel::Critical),
        (56, DiskLevel::High),
        (500, DiskLevel::Ok),
    ];
    for (free_mib, expected) in steps {
        level = marks.level(level, &space(free_mib));
        assert_eq!(level, expected, "{free_mib} MiB free");
    }
}

#[test]
fn a_share_of_a_large_disk_is_bounded() {
    let huge = Space {
        total_bytes: 4 << 40,
        free_bytes: 30 << 30,
        ..Space::default()
    };
    assert_eq!(marks().level(DiskLevel::Ok, &huge), DiskLevel::Ok);
}

#[test]
fn a_budget_counts_everything_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("log")).unwrap();
    std::fs::write(folder.path().join("log/db"), vec![1; 1 << 20]).unwrap();
    std::fs::write(folder.path().join("ballast"), vec![1; 2 << 20]).unwrap();
    let config = DiskConfig {
        budget: ByteCount::from_mib(8),
        ..DiskConfig::default()
    };
    let space = FolderProbe::new(folder.path(), &config).measure().unwrap();
    assert_eq!(space.total_bytes, 8 << 20);
    assert!(
        space.log_bytes >= 1 << 20 && space.other_bytes >= 2 << 20,
        "{space:?}"
    );
    assert!(space.free_bytes <= 5 << 20, "{space:?}");
}
