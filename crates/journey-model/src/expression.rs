//! A compiled CEL expression with what it depends on (JOURNEYS section 5).

use std::collections::BTreeSet;

use journey_types::{AggregateId, JourneyId, Value};

use crate::scope::Scope;

/// A compiled expression. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Expression {
    source: std::sync::Arc<str>,
    dependencies: std::sync::Arc<Dependencies>,
}

/// What can change the value of an expression, beside the event at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Names `event`.
    pub event: bool,
    /// Names `entry`.
    pub entry: bool,
    /// Names `instance`.
    pub instance: bool,
    /// Names `vars`.
    pub vars: bool,
    /// Top-level trait names it reads; `*` when it reads them all (`customer.traits` as a whole).
    pub traits: BTreeSet<String>,
    /// Names `customer.lifecycle`.
    pub lifecycle: bool,
    /// History aggregates it reads.
    pub aggregates: BTreeSet<AggregateId>,
    /// Whether a `history` call with a window is among them, so that time alone can change the value.
    pub windowed: bool,
    /// Journeys whose state it reads.
    pub journeys: BTreeSet<JourneyId>,
    /// Names `now` or `local`.
    pub time: bool,
}

/// Why an evaluation gave no value: a missing field, a type that does not fit, a division by zero.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EvaluationError {
    /// For people, naming the field or operation.
    pub reason: String,
}

impl Expression {
    /// The source text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What can change its value.
    #[must_use]
    pub fn dependencies(&self) -> &Dependencies {
        &self.dependencies
    }

    /// Evaluates to a value.
    ///
    /// # Errors
    /// [`EvaluationError`] for a missing field, a wrong type or an arithmetic fault.
    pub fn evaluate(&self, _scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        Err(EvaluationError {
            reason: "the evaluator is being written".to_owned(),
        })
    }

    /// Evaluates a condition.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and when the value is no bool.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        match self.evaluate(scope)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(EvaluationError {
                reason: format!("gave {} instead of true or false", other.kind()),
            }),
        }
    }
}
