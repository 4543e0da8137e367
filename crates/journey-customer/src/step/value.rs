//! Values that steps compute.

use journey_model::ValueSource;
use journey_types::Value;
use journey_types::limits::VALUE_DEPTH_MAX;

use super::StepFailure;
use crate::turn::{Subject, Turn};

/// The value of a source as the subject sees it.
pub(super) fn of(
    turn: &Turn<'_>,
    source: &ValueSource,
    subject: Subject<'_>,
) -> Result<Value, StepFailure> {
    let value = match source {
        ValueSource::Literal(value) => value.clone(),
        ValueSource::Expression(expression) => turn
            .evaluate(expression, subject)
            .map_err(|error| error.reason)?,
    };
    if value.depth_is_fine() {
        Ok(value)
    } else {
        Err(format!(
            "the value nests deeper than {VALUE_DEPTH_MAX} levels"
        ))
    }
}
