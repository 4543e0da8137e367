//! How calls are answered: by a callback that runs exactly once, whatever happens to the call.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::Payload;
use crate::limits::{PROPOSALS_IN_FLIGHT_BYTES_MAX, PROPOSALS_IN_FLIGHT_MAX};

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposeOutcome {
    /// Committed, durable and applied; it took effect.
    Applied {
        /// Its place in the log.
        index: u64,
    },
    /// Committed and applied, but void: it changed nothing, the same on every replica.
    Superseded {
        /// Its place in the log.
        index: u64,
    },
    /// It is in no log and never will be, with the reason.
    Refused(String),
    /// Nobody knows: it may be in the log and may still be applied.
    Lost,
}

/// Receives the outcome of a proposal. Runs on a thread of consensus, mostly the group's applier thread: it must be
/// quick, must not block and must not panic.
pub type OnProposeOutcome = Box<dyn FnOnce(ProposeOutcome) + Send>;

/// Whether this replica was the leader at some moment after it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadershipProof {
    /// It was, and everything committed before that moment is applied here.
    Confirmed {
        /// Applied through at least this index.
        index: u64,
    },
    /// It is not the leader, or could not reach a quorum.
    Refused(String),
    /// The group stopped before it could tell.
    Lost,
}

/// Receives a [`LeadershipProof`]; the rules of [`OnProposeOutcome`] hold.
pub type OnLeadershipProof = Box<dyn FnOnce(LeadershipProof) + Send>;

/// What a test lets happen to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalFault {
    /// Nothing: it goes its way.
    Pass,
    /// It is refused before anything is written.
    Refuse,
    /// It goes its way, but its outcome never comes back: the caller hears [`ProposeOutcome::Lost`] at once.
    Lose,
}

/// Decides for each proposal of a group whether something goes wrong with it; for tests of what depends on order.
pub trait ProposalFaults: Send + Sync + std::fmt::Debug {
    /// Asked once per proposal, in the order of proposals.
    fn on_propose(&self, payload: &Payload) -> ProposalFault;
}

/// A callback that is called exactly once: with an answer, or with `lost` when it is dropped unanswered.
pub(crate) struct Answer<T> {
    done: Option<Box<dyn FnOnce(T) + Send>>,
    lost: fn() -> T,
    permit: Option<Permit>,
}

impl Answer<ProposeOutcome> {
    pub(crate) fn to_proposal(done: OnProposeOutcome, permit: Option<Permit>) -> Self {
        Self {
            done: Some(done),
            lost: || ProposeOutcome::Lost,
            permit,
        }
    }
}

impl Answer<LeadershipProof> {
    pub(crate) fn to_proof(done: OnLeadershipProof) -> Self {
        Self {
            done: Some(done),
            lost: || LeadershipProof::Lost,
            permit: None,
        }
    }
}

impl<T> Answer<T> {
    pub(crate) fn give(mut self, answer: T) {
        self.call(answer);
    }

    fn call(&mut self, answer: T) {
        // The room is given back first, so that the callback may propose again.
        self.permit = None;
        if let Some(done) = self.done.take() {
            done(answer);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if self.done.is_some() {
            self.call((self.lost)());
        }
    }
}

/// Bounds what of one group is proposed and not answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight {
    used: Arc<Mutex<Used>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Used {
    n_proposals: usize,
    size_bytes: usize,
}

/// Room for one proposal, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    in_flight: InFlight,
    size_bytes: usize,
}

impl InFlight {
    /// Takes room for a proposal of that size; an empty group always has room for one.
    pub(crate) fn admit(&self, size_bytes: usize) -> Result<Permit, String> {
        let mut used = self.used.lock();
        let fits = used.n_proposals < PROPOSALS_IN_FLIGHT_MAX
            && used.size_bytes + size_bytes <= PROPOSALS_IN_FLIGHT_BYTES_MAX;
        if !fits {
            return Err(format!(
                "{} proposals of {} bytes are in flight (at most {PROPOSALS_IN_FLIGHT_MAX} and {PROPOSALS_IN_FLIGHT_BYTES_MAX}); wait for outcomes",
                used.n_proposals, used.size_bytes
            ));
        }
        used.n_proposals += 1;
        used.size_bytes += size_bytes;
        Ok(Permit {
            in_flight: self.clone(),
            size_bytes,
        })
    }

    /// Proposals without an outcome.
    pub(crate) fn n_proposals(&self) -> usize {
        self.used.lock().n_proposals
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut used = self.in_flight.used.lock();
        used.n_proposals -= 1;
        used.size_bytes -= self.size_bytes;
    }
}

#[cfg(test)]
mod tests;
