//! When a node says that it serves.

use tokio::sync::watch;

use super::{DiskReport, Health, Phase};
use crate::node::disk::{DiskLevel, Space};
use crate::node::progress::Wedge;

fn disk(level: DiskLevel) -> DiskReport {
    let space = Space::default();
    DiskReport { level, space }
}

#[test]
fn a_node_serves_between_start_and_drain_unless_something_is_wrong_and_again_when_it_is_over() {
    let (_failed, failure) = watch::channel(None);
    let health = Health::new(failure);
    let serving = health.serving();
    assert!(!*serving.borrow(), "starting");
    health.set_phase(Phase::Serving);
    assert!(*serving.borrow());
    let wedge = Wedge {
        subject: "partition 3: applying".to_owned(),
        reason: "stands".to_owned(),
    };
    health.set_progress(vec![wedge], Vec::new());
    assert!(!*serving.borrow());
    let text = health.verbose(&health.problems());
    assert!(
        text.contains("[-] progress: partition 3: applying: stands"),
        "{text}"
    );
    assert!(text.contains("[+] disk: ok"), "{text}");
    health.set_progress(Vec::new(), Vec::new());
    assert!(*serving.borrow());
    health.set_disk(disk(DiskLevel::High));
    assert!(*serving.borrow(), "reads, workers and timers go on");
    health.set_disk(disk(DiskLevel::Critical));
    assert!(!*serving.borrow());
    health.set_disk(disk(DiskLevel::Ok));
    health.set_progress(Vec::new(), vec!["partition 1 stopped: why".to_owned()]);
    assert!(!*serving.borrow());
    health.set_progress(Vec::new(), Vec::new());
    health.set_phase(Phase::Draining);
    assert!(!*serving.borrow());
}
