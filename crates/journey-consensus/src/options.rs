//! Timings and threads of consensus, checked as a whole before anything starts.

use std::time::Duration;

use crate::ConsensusError;

/// How consensus runs on this node.
#[derive(Debug, Clone)]
pub struct ConsensusOptions {
    /// How often a leader shows its followers that it is there; 5 ms to 5 s, 50 ms to start from, 100 ms on slow disks.
    pub heartbeat: Duration,
    /// Shortest silence after which a follower stands for election; at least three heartbeats (200 ms; slow disks 400 ms).
    pub election_min: Duration,
    /// Longest such silence, above `election_min` (400 ms; slow disks 800 ms). Also how old a lease read may be.
    pub election_max: Duration,
    /// Threads of consensus' own runtime, 1 to 64; 2 serve 16 groups.
    pub worker_threads: usize,
}

impl ConsensusOptions {
    /// Checks ranges and the inequalities between the timings.
    ///
    /// # Errors
    /// [`ConsensusError::Options`] with every problem, not only the first.
    pub fn validate(&self) -> Result<(), ConsensusError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        require(
            (Duration::from_millis(5)..=Duration::from_secs(5)).contains(&self.heartbeat),
            format!("heartbeat is {:?}, it must be 5 ms to 5 s", self.heartbeat),
        );
        require(
            self.election_min >= self.heartbeat.saturating_mul(3),
            format!(
                "election_min is {:?}, it must be at least three heartbeats ({:?}), or one late heartbeat costs a leader",
                self.election_min,
                self.heartbeat.saturating_mul(3)
            ),
        );
        require(
            self.election_max > self.election_min,
            format!(
                "election_max is {:?}, it must be above election_min ({:?}), or replicas stand at the same moment",
                self.election_max, self.election_min
            ),
        );
        require(
            self.election_max <= Duration::from_secs(60),
            format!(
                "election_max is {:?}, it must be at most 60 s",
                self.election_max
            ),
        );
        require(
            (1..=64).contains(&self.worker_threads),
            format!(
                "worker_threads is {}, it must be 1 to 64",
                self.worker_threads
            ),
        );
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConsensusError::Options { problems })
        }
    }

    /// openraft's configuration; timings are whole milliseconds inside the ranges checked before.
    pub(crate) fn raft_config(&self) -> openraft::Config {
        openraft::Config {
            cluster_name: "journeyd".to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            install_snapshot_timeout: 60_000,
            // Snapshots are taken when the log has grown by bytes, never by count.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            // Nor does openraft purge by itself: we do, by bytes, and not behind what a snapshot stream needs.
            max_in_snapshot_log_to_keep: u64::MAX,
            api_channel_size: Some(crate::limits::RAFT_REQUESTS_MAX),
            // Entries that are acknowledged prove as much as a heartbeat does.
            heartbeat_min_interval: Some(millis(self.heartbeat)),
            // A replica that cannot win asks first, and disturbs nobody when it comes back.
            enable_pre_vote: Some(true),
            // A leader that reaches no quorum falls silent, so that those who reach each other elect another.
            quorum_loss_probe_interval: Some(
                2 * millis(self.election_max) + millis(self.heartbeat),
            ),
            // A restored leader can report ready with acknowledged entries still unapplied; a fresh election cannot.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
