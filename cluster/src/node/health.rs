//! What the node says of itself: whether it is alive, whether it can serve, and if not, why.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::node::disk::{DiskLevel, Space};
use crate::node::error::NodeError;
use crate::node::progress::Wedge;

/// Where the node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Opens its data, replays its log.
    Starting,
    /// Serves.
    Serving,
    /// Was told to stop.
    Draining,
}

/// The disk as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskReport {
    pub(crate) level: DiskLevel,
    pub(crate) space: Space,
}

/// One thing that keeps the node from serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The check that it fails.
    pub(crate) check: &'static str,
    /// Why.
    pub(crate) reason: String,
}

/// The checks, in the order of reports.
const CHECKS: [&str; 4] = ["phase", "partitions", "progress", "disk"];

/// Everything that health is judged by, written by those who watch, read by those who are asked.
#[derive(Debug)]
pub(crate) struct Health {
    phase: AtomicU8,
    disk: Mutex<DiskReport>,
    wedges: ArcSwap<Vec<Wedge>>,
    stopped: ArcSwap<Vec<String>>,
    failure: watch::Receiver<Option<Arc<NodeError>>>,
    serving: watch::Sender<bool>,
}

impl Health {
    pub(crate) fn new(failure: watch::Receiver<Option<Arc<NodeError>>>) -> Self {
        let disk = DiskReport {
            level: DiskLevel::Ok,
            space: Space::default(),
        };
        Self {
            phase: AtomicU8::new(0),
            disk: Mutex::new(disk),
            wedges: ArcSwap::default(),
            stopped: ArcSwap::default(),
            failure,
            serving: watch::channel(false).0,
        }
    }

    /// What `grpc.health.v1` answers, now and at each change.
    pub(crate) fn serving(&self) -> watch::Receiver<bool> {
        self.serving.subscribe()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        let number = match phase {
            Phase::Starting => 0,
            Phase::Serving => 1,
            Phase::Draining => 2,
        };
        self.phase.store(number, Ordering::Release);
        self.tell();
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    pub(crate) fn set_disk(&self, report: DiskReport) {
        *self.disk.lock() = report;
        self.tell();
    }

    pub(crate) fn disk(&self) -> DiskReport {
        *self.disk.lock()
    }

    /// Takes what was found in one round of looks; logs what is new and what is over.
    pub(crate) fn set_progress(&self, wedges: Vec<Wedge>, stopped: Vec<String>) {
        let before = self.wedges.swap(Arc::new(wedges));
        let now = self.wedges.load();
        let is_in =
            |wedges: &[Wedge], one: &Wedge| wedges.iter().any(|wedge| wedge.subject == one.subject);
        for wedge in now.iter().filter(|wedge| !is_in(&before, wedge)) {
            tracing::error!(subject = wedge.subject, reason = wedge.reason, "wedged");
        }
        for wedge in before.iter().filter(|wedge| !is_in(&now, wedge)) {
            tracing::info!(subject = wedge.subject, "moves again");
        }
        self.stopped.store(Arc::new(stopped));
        self.tell();
    }

    pub(crate) fn n_wedges(&self) -> usize {
        self.wedges.load().len()
    }

    /// Why the node cannot serve; empty when it can. Not every replica must be perfect for that.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |check, reason| problems.push(Problem { check, reason });
        match self.phase() {
            Phase::Starting => add(
                "phase",
                "the node is starting: it replays its log".to_owned(),
            ),
            Phase::Draining => add(
                "phase",
                "the node is draining: it was told to stop".to_owned(),
            ),
            Phase::Serving => {}
        }
        if let Some(failure) = &*self.failure.borrow() {
            add("partitions", failure.to_string());
        }
        for reason in self.stopped.load().iter() {
            add("partitions", reason.clone());
        }
        for wedge in self.wedges.load().iter() {
            add("progress", format!("{}: {}", wedge.subject, wedge.reason));
        }
        let disk = self.disk();
        if disk.level == DiskLevel::Critical {
            let free_mib = disk.space.free_bytes >> 20;
            let reason = format!(
                "DISK_LOW: {free_mib} MiB are left, below the critical mark; nothing is written until there is room"
            );
            add("disk", reason);
        }
        problems
    }

    /// One line per check, and what is worth knowing though it keeps nobody from serving.
    pub(crate) fn verbose(&self, problems: &[Problem]) -> String {
        let mut text = String::new();
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            text.write_fmt(arguments)
                .expect("writing to a string does not fail");
        };
        for check in CHECKS {
            let mut is_ok = true;
            for problem in problems.iter().filter(|problem| problem.check == check) {
                line(format_args!("[-] {check}: {}\n", problem.reason));
                is_ok = false;
            }
            if is_ok {
                line(format_args!("[+] {check}: ok\n"));
            }
        }
        let disk = self.disk();
        let (free_mib, level) = (disk.space.free_bytes >> 20, disk.level.word());
        line(format_args!("disk is {level}: {free_mib} MiB are left\n"));
        text
    }

    fn tell(&self) {
        let serves = self.problems().is_empty();
        self.serving.send_if_modified(|serving| {
            let is_new = *serving != serves;
            *serving = serves;
            is_new
        });
    }
}

#[cfg(test)]
mod tests;
