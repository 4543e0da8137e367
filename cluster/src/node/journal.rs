//! A partition's journal over a Raft group: joins two crates that know nothing of one another.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use journey_consensus::{GroupHandle, LeadershipProof, Payload, ProposeOutcome};
use journey_partition::{ConfirmationDone, DecidedEntry, Journal, ProposalDone, ProposeResult};
use journey_types::{Histogram, Lsn};

use crate::clock::monotonic_now;

/// Proposes into a group.
pub(crate) struct GroupJournal {
    group: GroupHandle,
    /// Microseconds from proposals to their outcomes, of all partitions.
    proposal_us: Arc<Histogram>,
}

impl fmt::Debug for GroupJournal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GroupJournal")
    }
}

impl GroupJournal {
    pub(crate) const fn new(group: GroupHandle, proposal_us: Arc<Histogram>) -> Self {
        Self { group, proposal_us }
    }
}

impl Journal for GroupJournal {
    fn propose(&self, entry: Arc<DecidedEntry>, encoded: Bytes, done: ProposalDone) {
        // The decided form rides along: this node's own applier neither decodes nor applies what was just decided.
        let decoded: Arc<dyn Any + Send + Sync> = entry;
        let payload = Payload {
            bytes: encoded,
            decoded: Some(decoded),
        };
        let begun = monotonic_now();
        let proposal_us = Arc::clone(&self.proposal_us);
        let on_outcome = Box::new(move |outcome| {
            let took_us = monotonic_now().duration_since(begun).as_micros();
            proposal_us.record(u64::try_from(took_us).unwrap_or(u64::MAX));
            done(match outcome {
                ProposeOutcome::Applied { index } => ProposeResult::Applied {
                    lsn: Lsn::new(index),
                },
                ProposeOutcome::Superseded { .. } => ProposeResult::Superseded,
                ProposeOutcome::Refused(reason) => ProposeResult::Refused(reason),
                ProposeOutcome::Lost => ProposeResult::Lost,
            });
        });
        self.group.propose(payload, on_outcome);
    }

    fn confirm_leadership(&self, done: ConfirmationDone) {
        let on_proof =
            Box::new(move |proof| done(matches!(proof, LeadershipProof::Confirmed { .. })));
        self.group.confirm_leadership(on_proof);
    }

    fn holds_lease(&self) -> bool {
        self.group.holds_lease()
    }
}
