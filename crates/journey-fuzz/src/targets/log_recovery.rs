//! The recovery of a Raft log, after power cuts at any write and damage to any row.

use journey_consensus::log_trial;

use crate::target::{Target, outcome_of};

/// Bytes are operations, see `journey-consensus/src/log_trial.rs`.
#[derive(Debug)]
pub(crate) struct LogRecovery;

impl Target for LogRecovery {
    fn name(&self) -> &'static str {
        "log-recovery"
    }

    fn about(&self) -> &'static str {
        "operations on a group's log, power cuts, damaged rows"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let appends = [0, 2, 0, 1].repeat(6);
        let cut_in_chunks = [0, 1, 9, 0, 1, 0xe0, 1, 7, 0, 3, 0, 5, 1].to_vec();
        let purged = [appends.as_slice(), &[6, 0, 3, 0xe6, 0, 2, 0, 1, 3, 0, 9, 2]].concat();
        let truncated = [
            appends.as_slice(),
            &[7, 0, 1, 4, 0, 5, 0xe4, 0, 1, 0, 1, 0, 4, 2],
        ]
        .concat();
        vec![appends, cut_in_chunks, purged, truncated]
    }

    fn size_bytes_max(&self) -> usize {
        256
    }

    fn run(&self, input: &[u8]) -> u64 {
        outcome_of(&log_trial(input))
    }
}
