//! `Ingest`: an event comes in.

use std::sync::Arc;

use journey_types::limits::DEDUPE_IDS_MAX;
use journey_types::{CustomerEvent, Fingerprint};

use super::Decision;
use crate::command::{IngestMode, Rejection, Reply};
use crate::limits::IDENTIFIERS_MAX;
use crate::turn::{Incoming, Turn};

/// A known id changes nothing; a new event takes effect at once.
pub(super) fn decide(
    mut turn: Turn<'_>,
    event: &Arc<CustomerEvent>,
    mode: IngestMode,
) -> Result<Decision, Rejection> {
    assert!(
        event.customer == turn.state.key,
        "an event of {} came to {}",
        event.customer,
        turn.state.key
    );
    let fingerprint = Fingerprint::of(turn.context.cluster_key, &event.source, &event.id);
    let rows = turn.context.rows_of_ids;
    if turn.state.dedupe.contains(&fingerprint, turn.stamp, rows) {
        return Ok(turn.close(Reply::Duplicate));
    }
    event
        .validate(turn.stamp)
        .map_err(|refused| Rejection::EventRefused {
            reason: refused.to_string(),
        })?;
    refuse_hot(&turn)?;
    if turn.has_too_many_identifiers(event) {
        let reason = format!(
            "too_many_identifiers: this customer has {IDENTIFIERS_MAX} other identifiers, the most that are remembered; is one id shared by many people?"
        );
        return Err(Rejection::EventRefused { reason });
    }
    turn.take_in(&Incoming {
        event: Arc::clone(event),
        fingerprint: Some(fingerprint),
        mode,
        raised_by: None,
        depth: 0,
    });
    turn.advance();
    Ok(turn.close(Reply::Accepted))
}

/// A customer at the cap of remembered ids takes no more: forgetting one would break the promise not to apply twice.
pub(super) fn refuse_hot(turn: &Turn<'_>) -> Result<(), Rejection> {
    let dedupe = &turn.state.dedupe;
    if dedupe.n_ids_max() < DEDUPE_IDS_MAX {
        return Ok(());
    }
    let n_ids = dedupe.n_ids(turn.stamp);
    if n_ids < DEDUPE_IDS_MAX {
        Ok(())
    } else {
        Err(Rejection::TooManyEventIds { n_ids })
    }
}
