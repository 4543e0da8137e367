//! Reads while leadership moves: asked again within a deadline, since a read may be repeated by whoever wants it.
//!
//! A read never answers `OUTCOME_UNKNOWN`: it has no outcome. Where nobody can answer in time it says so, with the reason.

use std::future::Future;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::hop::reason_of;
use super::{Hop, Target};
use crate::error::ServerError;
use crate::limits::{READ_MAX, READ_PAUSE};
use crate::node::Node;
use crate::status::WHY;
use journey_types::PartitionId;

impl Node {
    /// Reads, and again while those who could answer change, up to [`READ_MAX`]. A read that came over a hop is tried
    /// once: the node that sent it on tries again, with what it knows by then.
    ///
    /// # Errors
    /// What the read itself says, or `UNAVAILABLE` with the last reason for which nobody answered.
    pub(crate) async fn read<T, F>(&self, hop: &Hop, attempt: impl Fn() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let deadline = Instant::now() + READ_MAX;
        let mut table = self.routes().watch();
        loop {
            table.mark_unchanged();
            let failed = match timeout_at(deadline, attempt()).await {
                Ok(Err(status)) if may_pass(&status) => without_outcome(status),
                Ok(answered) => return answered,
                Err(_) => return Err(nobody_in_time().into()),
            };
            let is_last = Instant::now() + READ_PAUSE >= deadline;
            if hop.is_hop || self.routes().is_alone() || is_last {
                return Err(failed);
            }
            tracing::debug!(status = %failed, "read again");
            tokio::select! {
                Ok(()) = table.changed() => {}
                () = sleep(READ_PAUSE) => {}
            }
        }
    }

    /// Who answers a read of a partition: its leader, whatever a follower may hold. One that no quorum has answered for an
    /// election timeout proves first that it still leads: others may by then.
    pub(crate) async fn reader_of(
        &self,
        hop: &Hop,
        partition: PartitionId,
    ) -> Result<Target, ServerError> {
        match self.target_for(hop, partition)? {
            // A partition that has stopped for good is read as it stands, wherever that is.
            Target::Here(handle)
                if !self.routes().is_alone() && !handle.leads() && handle.stopped().is_none() =>
            {
                Err(self.not_leader(partition))
            }
            Target::Here(handle) if handle.leads() && !handle.holds_lease() => {
                let proven = handle.prove_leadership().await;
                proven.map_err(|_| self.not_leader(partition))?;
                Ok(Target::Here(handle))
            }
            target => Ok(target),
        }
    }
}

/// Whether another attempt may find somebody who answers.
fn may_pass(status: &Status) -> bool {
    status.code() == Code::Unavailable
}

/// A write's refusal in a read's words.
fn without_outcome(status: Status) -> Status {
    if reason_of(&status).as_deref() != Some("OUTCOME_UNKNOWN") {
        return status;
    }
    let details = status.get_details_error_info();
    let why = details.and_then(|info| info.metadata.get(WHY).cloned());
    let reason = why.unwrap_or_else(|| "whoever could answer has not done so".to_owned());
    ServerError::Unavailable { reason }.into()
}

fn nobody_in_time() -> ServerError {
    let seconds = READ_MAX.as_secs();
    ServerError::Unavailable {
        reason: format!("nobody who could answer has done so within {seconds} s"),
    }
}

#[cfg(test)]
mod tests;
