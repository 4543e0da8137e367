//! Which event id a command brings, and whether rows have to be asked for it before anything is decided.

use journey_types::{ClusterKey, Fingerprint, Timestamp};

use crate::command::Command;
use crate::dedupe::{IdPlace, Lookup};
use crate::entrance::Enrollment;
use crate::state::CustomerState;

/// The id that the command brings and where it may lie in rows, when the state alone does not tell whether it was
/// accepted before. Whoever decides asks there first and says what was found in
/// [`crate::DecideContext::rows_of_ids`].
#[must_use]
pub fn ids_to_ask(
    state: &CustomerState,
    command: &Command,
    cluster_key: &ClusterKey,
    stamp: Timestamp,
) -> Option<(Fingerprint, Vec<IdPlace>)> {
    // Most customers have few ids, and all of them in memory.
    if state.dedupe.chunks.is_empty() {
        return None;
    }
    let fingerprint = fingerprint_of(state, command, cluster_key)?;
    match state.dedupe.look_up(&fingerprint, stamp) {
        Lookup::Known | Lookup::New => None,
        Lookup::Rows(places) => Some((fingerprint, places)),
    }
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
