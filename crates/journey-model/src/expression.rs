//! A compiled CEL expression with what it depends on (JOURNEYS section 5).
//!
//! ```text
//!   source + Site ──► parse (crate cel) ──► lower (names, limits, literals) ──► Expression, or every problem
//!   Expression + Scope ──► Value
//! ```

mod aggregate;
mod dependencies;
mod evaluate;
mod limits;
mod lower;
mod node;
mod operand;
mod parse;
mod problem;
mod site;

use std::fmt;
use std::sync::Arc;

use journey_types::Value;

use self::node::Node;
use self::operand::Operand;
use crate::scope::Scope;

pub use self::aggregate::AggregateNeed;
pub use self::dependencies::Dependencies;
pub use self::problem::ExpressionProblem;
pub use self::site::{Entrances, Position, Site};

pub(crate) use self::evaluate::zoned;
pub(crate) use self::problem::{nearest, one_of};

/// A compiled expression. Cheap to clone; equal when the sources are.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: Box<str>,
    root: Node,
    dependencies: Dependencies,
    aggregates: Vec<AggregateNeed>,
}

/// Why an evaluation gave no value: a missing field, a type that does not fit, a division by zero.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EvaluationError {
    /// For people, naming the field or operation.
    pub reason: String,
}

impl Expression {
    /// Compiles a source for the place where it stands.
    ///
    /// # Errors
    /// Every problem found, in the order of the source: syntax, unknown or refused names and functions, literals that
    /// do not fit, limits.
    pub fn compile(source: &str, site: &Site<'_>) -> Result<Self, Vec<ExpressionProblem>> {
        let parsed = parse::parse(source)?;
        let lowered = lower::lower(&parsed, site)?;
        Ok(Self(Arc::new(Compiled {
            source: Box::from(source),
            dependencies: Dependencies::of(&lowered.root),
            aggregates: lowered.aggregates,
            root: lowered.root,
        })))
    }

    /// The source text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What can change its value.
    #[must_use]
    pub fn dependencies(&self) -> &Dependencies {
        &self.0.dependencies
    }

    /// What must be counted for its `history` calls, each id once, with the longest window it reads.
    #[must_use]
    pub fn aggregates(&self) -> &[AggregateNeed] {
        &self.0.aggregates
    }

    /// Evaluates to a value. Deterministic: the same scope gives the same value on every node.
    ///
    /// Numbers follow the number rule: a result without fraction that fits an i64 is an int.
    ///
    /// # Errors
    /// [`EvaluationError`] for a missing field, a wrong type, an arithmetic fault or too much work.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        evaluate::evaluate(&self.0.root, *scope)?.into_value()
    }

    /// Evaluates a condition.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and when the value is no bool.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        match evaluate::evaluate(&self.0.root, *scope)? {
            Operand::Bool(holds) => Ok(holds),
            other => Err(EvaluationError {
                reason: format!("gave {} instead of true or false", other.kind()),
            }),
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Expression({:?})", self.source())
    }
}

#[cfg(test)]
pub(crate) use self::tests::fixture;
#[cfg(test)]
mod tests;
