//! `Enroll`: a service asks that the customer enters a journey.

use std::sync::Arc;

use journey_types::Fingerprint;

use super::{Decision, ingest};
use crate::command::{Rejection, Reply};
use crate::entrance::Enrollment;
use crate::turn::Turn;

/// A known id changes nothing. An id is remembered when its call took effect (the customer entered, or waits for a
/// place): one that was refused may be tried again under the same id.
pub(super) fn decide(
    mut turn: Turn<'_>,
    enrollment: &Arc<Enrollment>,
) -> Result<Decision, Rejection> {
    let Enrollment { journey, id, .. } = enrollment.as_ref();
    let fingerprint = Fingerprint::of_enrollment(turn.context.cluster_key, journey, id);
    let rows = turn.context.rows_of_ids;
    if turn.state.dedupe.contains(&fingerprint, turn.stamp, rows) {
        return Ok(turn.close(Reply::Duplicate));
    }
    let refuse = |reason: String| Rejection::EnrollRefused { reason };
    let Some(plan) = turn.context.catalog.newest_plan(journey) else {
        let reason = format!("unknown_journey: no journey `{journey}` is published");
        return Err(refuse(reason));
    };
    if plan.api_entries().next().is_none() {
        let reason = format!(
            "no_api_entry: journey `{journey}` has no entry by `api`; add `entry: [ {{ api: enroll }} ]` and publish it"
        );
        return Err(refuse(reason));
    }
    enrollment.validate().map_err(refuse)?;
    ingest::refuse_hot(&turn)?;
    let reply = turn.enroll(plan, enrollment, fingerprint);
    turn.advance();
    Ok(turn.close(reply))
}
