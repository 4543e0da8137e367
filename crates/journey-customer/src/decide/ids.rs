//! Which event id a command brings, and what the state tells of it: rows may have to be asked before anything is decided.

use journey_types::{ClusterKey, Fingerprint, Timestamp};

use crate::command::Command;
use crate::dedupe::Lookup;
use crate::entrance::Enrollment;
use crate::state::CustomerState;

/// The id that the command brings and what the state tells of it; `None` when it brings none, or when the state has all
/// ids that there are. Whoever decides asks rows where that is needed, and says in
/// [`crate::DecideContext::rows_of_ids`] what came of it.
#[must_use]
pub fn look_up_id(
    state: &CustomerState,
    command: &Command,
    cluster_key: &ClusterKey,
    stamp: Timestamp,
) -> Option<(Fingerprint, Lookup)> {
    // Most customers have few ids, and all of them in memory.
    if state.dedupe.chunks.is_empty() {
        return None;
    }
    let fingerprint = fingerprint_of(state, command, cluster_key)?;
    let found = state.dedupe.look_up(&fingerprint, stamp);
    Some((fingerprint, found))
}

fn fingerprint_of(
    state: &CustomerState,
    command: &Command,
    cluster_key: &ClusterKey,
) -> Option<Fingerprint> {
    let of_enrollment = |enrollment: &Enrollment| {
        Fingerprint::of_enrollment(cluster_key, &enrollment.journey, &enrollment.id)
    };
    match command {
        Command::Ingest { event, .. } => {
            Some(Fingerprint::of(cluster_key, &event.source, &event.id))
        }
        Command::Enroll(enrollment) => Some(of_enrollment(enrollment)),
        Command::ReplayQuarantined { entry, .. } => {
            let kept = state.quarantined.get(entry)?;
            let event = kept.event.as_deref();
            let of_event = event.map(|it| Fingerprint::of(cluster_key, &it.source, &it.id));
            of_event.or_else(|| kept.enrollment.as_deref().map(of_enrollment))
        }
        Command::FireTimers
        | Command::ContinueTurn
        | Command::Claim { .. }
        | Command::Settle { .. }
        | Command::ReplayDeadLetter { .. }
        | Command::Discard { .. }
        | Command::Quarantine { .. }
        | Command::Park { .. }
        | Command::Release => None,
    }
}
