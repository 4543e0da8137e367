//! Walks the nodes of an expression over a scope. No clock, no allocation where values can be borrowed, and a bound on
//! the work of every evaluation.

mod compare;
mod each;
mod functions;
mod numbers;
mod places;

use std::collections::BTreeMap;
use std::rc::Rc;

use regex::Regex;

use super::EvaluationError;
use super::limits::{COMPREHENSION_DEPTH_MAX, STEPS_MAX, TEXT_BYTES_PER_STEP};
use super::node::{HistoryKind, HistoryRead, JourneysRead, Node, SelectMode};
use super::operand::{Operand, fault};
use crate::scope::Scope;

pub(crate) use self::places::zoned;

pub(crate) type Outcome<'a> = Result<Operand<'a>, EvaluationError>;

/// Evaluates a node over a scope.
pub(crate) fn evaluate<'a>(node: &'a Node, scope: Scope<'a>) -> Outcome<'a> {
    let mut evaluation = Evaluation {
        scope,
        variables: [const { Operand::Null }; COMPREHENSION_DEPTH_MAX],
        steps_left: STEPS_MAX,
    };
    evaluation.evaluate(node)
}

/// One evaluation under way.
struct Evaluation<'a> {
    scope: Scope<'a>,
    variables: [Operand<'a>; COMPREHENSION_DEPTH_MAX],
    steps_left: u32,
}

impl<'a> Evaluation<'a> {
    fn evaluate(&mut self, node: &'a Node) -> Outcome<'a> {
        self.spend(1)?;
        match node {
            Node::Literal(value) => Ok(Operand::of(value)),
            Node::Time(unix_ms) => Ok(Operand::Time(*unix_ms)),
            Node::Span(ms) => Ok(Operand::Span(*ms)),
            Node::Place(place) => self.place(*place),
            Node::PlaceIfAny { place, mode } => self.place_if_any(*place, *mode),
            Node::Select {
                operand,
                field,
                mode,
            } => self.select(operand, field, *mode),
            Node::Index {
                operands,
                is_optional,
            } => self.index(operands, *is_optional),
            Node::Logic {
                absorbing,
                operands,
            } => self.logic(*absorbing, operands),
            Node::Not(operand) => self.condition(operand).map(|flag| Operand::Bool(!flag)),
            Node::Negate(operand) => numbers::negate(&self.evaluate(operand)?),
            Node::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if self.condition(condition)? { yes } else { no };
                self.evaluate(chosen)
            }
            Node::Arithmetic { operator, operands } => {
                let (left, right) = self.both(operands)?;
                self.arithmetic(*operator, &left, &right)
            }
            Node::Compare {
                comparison,
                operands,
            } => {
                let (left, right) = self.both(operands)?;
                compare::compare(*comparison, &left, &right)
            }
            Node::Equal {
                is_negated,
                operands,
            } => {
                let (left, right) = self.both(operands)?;
                Ok(Operand::Bool(self.equal(&left, &right)? != *is_negated))
            }
            Node::In(operands) => self.is_in(operands),
            Node::List(items) => {
                let items: Result<Vec<Operand<'a>>, EvaluationError> =
                    items.iter().map(|item| self.evaluate(item)).collect();
                Ok(Operand::MadeList(Rc::from(items?)))
            }
            Node::Map(entries) => self.map(entries),
            Node::Variable(variable) => Ok(self.variables[*variable].clone()),
            Node::Each(each) => self.each(each),
            Node::Call {
                function,
                arguments,
            } => self.call(*function, arguments),
            Node::Matches { text, pattern } => self.matches(text, pattern),
            Node::History(read) => Ok(self.history(read)),
            Node::Journeys { read, journey } => {
                let journeys = self.scope.journeys;
                Ok(match read {
                    JourneysRead::Active => Operand::Int(saturated(journeys.active(journey))),
                    JourneysRead::State => Operand::Text(journeys.state(journey)),
                    JourneysRead::Outcome => Operand::Text(journeys.outcome(journey)),
                })
            }
        }
    }

    fn both(
        &mut self,
        operands: &'a [Node; 2],
    ) -> Result<(Operand<'a>, Operand<'a>), EvaluationError> {
        let left = self.evaluate(&operands[0])?;
        Ok((left, self.evaluate(&operands[1])?))
    }

    fn matches(&mut self, text: &'a Node, pattern: &Regex) -> Outcome<'a> {
        let text = self.evaluate(text)?;
        let Some(text) = text.as_text() else {
            return Err(fault(format!("`matches` needs text, not {}", text.kind())));
        };
        self.spend_text(text.len())?;
        Ok(Operand::Bool(pattern.is_match(text)))
    }

    /// Takes work off the budget of this evaluation.
    fn spend(&mut self, steps: usize) -> Result<(), EvaluationError> {
        let left = u32::try_from(steps)
            .ok()
            .and_then(|steps| self.steps_left.checked_sub(steps));
        match left {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => {
                // From here on nothing runs, also where an error would be absorbed.
                self.steps_left = 0;
                Err(fault(format!("took more than {STEPS_MAX} steps of work")))
            }
        }
    }

    fn spend_text(&mut self, size_bytes: usize) -> Result<(), EvaluationError> {
        self.spend(size_bytes / TEXT_BYTES_PER_STEP)
    }

    /// A node that must give true or false.
    fn condition(&mut self, node: &'a Node) -> Result<bool, EvaluationError> {
        match self.evaluate(node)? {
            Operand::Bool(flag) => Ok(flag),
            other => Err(fault(format!(
                "{} is {}, not true or false",
                node.path(),
                other.kind()
            ))),
        }
    }

    /// `&&` and `||`: the absorbing value on either side decides, whatever the other side is.
    fn logic(&mut self, absorbing: bool, operands: &'a [Node; 2]) -> Outcome<'a> {
        let left = self.condition(&operands[0]);
        if left == Ok(absorbing) {
            return Ok(Operand::Bool(absorbing));
        }
        let right = self.condition(&operands[1]);
        if right == Ok(absorbing) {
            return Ok(Operand::Bool(absorbing));
        }
        left?;
        right?;
        Ok(Operand::Bool(!absorbing))
    }

    fn select(&mut self, operand: &'a Node, field: &'a str, mode: SelectMode) -> Outcome<'a> {
        let value = self.evaluate(operand)?;
        // An optional is looked into, and what is taken out of it is optional again.
        let (value, mode) = match value {
            Operand::Optional(inner) => match (inner, mode) {
                (None, SelectMode::Test) => return Ok(Operand::Bool(false)),
                (None, _) => return Ok(Operand::Optional(None)),
                (Some(inner), SelectMode::Must) => ((*inner).clone(), SelectMode::Optional),
                (Some(inner), mode) => ((*inner).clone(), mode),
            },
            value => (value, mode),
        };
        if !value.is_map() {
            return Err(fault(format!(
                "{} is {} and has no field `{field}`",
                operand.path(),
                value.kind()
            )));
        }
        match (value.field(field), mode) {
            (found, SelectMode::Test) => Ok(Operand::Bool(found.is_some())),
            (Some(found), SelectMode::Optional) => Ok(Operand::some(found)),
            (None, SelectMode::Optional) => Ok(Operand::Optional(None)),
            (Some(found), SelectMode::Must) => Ok(found),
            (None, SelectMode::Must) => {
                Err(fault(format!("no field `{field}` in {}", operand.path())))
            }
        }
    }

    fn index(&mut self, operands: &'a [Node; 2], is_optional: bool) -> Outcome<'a> {
        let value = self.evaluate(&operands[0])?;
        let index = self.evaluate(&operands[1])?;
        let (value, is_optional) = match value {
            Operand::Optional(None) => return Ok(Operand::Optional(None)),
            Operand::Optional(Some(inner)) => ((*inner).clone(), true),
            value => (value, is_optional),
        };
        let found = if value.n_items().is_some() {
            if let Operand::Int(idx) = index {
                usize::try_from(idx).ok().and_then(|idx| value.item(idx))
            } else {
                return Err(fault(format!(
                    "items are numbered, not named by {}",
                    index.kind()
                )));
            }
        } else if value.is_map() {
            if let Some(key) = index.as_text() {
                value.field(key)
            } else {
                return Err(fault(format!(
                    "fields are named by text, not by {}",
                    index.kind()
                )));
            }
        } else {
            let path = operands[0].path();
            return Err(fault(format!(
                "{path} is {} and has no items",
                value.kind()
            )));
        };
        match (found, is_optional) {
            (Some(found), true) => Ok(Operand::some(found)),
            (Some(found), false) => Ok(found),
            (None, true) => Ok(Operand::Optional(None)),
            (None, false) => {
                let path = operands[0].path();
                Err(fault(match (value.n_items(), index) {
                    (Some(n_items), Operand::Int(idx)) => {
                        format!("no item {idx} in {path}, which has {n_items}")
                    }
                    (_, index) => {
                        let key = index.as_text().unwrap_or_default();
                        format!("no field `{key}` in {path}")
                    }
                }))
            }
        }
    }

    fn is_in(&mut self, operands: &'a [Node; 2]) -> Outcome<'a> {
        let needle = self.evaluate(&operands[0])?;
        let haystack = self.evaluate(&operands[1])?;
        if let Some(n_items) = haystack.n_items() {
            for idx in 0..n_items {
                if let Some(item) = haystack.item(idx)
                    && self.equal(&needle, &item)?
                {
                    return Ok(Operand::Bool(true));
                }
            }
            return Ok(Operand::Bool(false));
        }
        if haystack.is_map() {
            let found = needle.as_text().and_then(|key| haystack.field(key));
            return Ok(Operand::Bool(found.is_some()));
        }
        Err(fault(format!(
            "`in` needs a list or a map, and {} is {}",
            operands[1].path(),
            haystack.kind()
        )))
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Outcome<'a> {
        let mut fields = BTreeMap::new();
        for (key, value) in entries {
            let key = self.evaluate(key)?;
            let Some(key) = key.as_text() else {
                return Err(fault(format!("keys of a map are text, not {}", key.kind())));
            };
            let value = self.evaluate(value)?;
            if fields.insert(key.to_owned(), value).is_some() {
                return Err(fault(format!("the key `{key}` is there twice")));
            }
        }
        Ok(Operand::MadeMap(Rc::new(fields)))
    }

    fn history(&self, read: &HistoryRead) -> Operand<'a> {
        let history = self.scope.history;
        let instant = |instant: Option<journey_types::Timestamp>| {
            instant.map_or(Operand::Null, |instant| Operand::Time(instant.unix_ms()))
        };
        match read.kind {
            HistoryKind::Count => {
                Operand::Int(saturated(history.count(read.aggregate, read.window)))
            }
            HistoryKind::Absent => Operand::Bool(history.count(read.aggregate, read.window) == 0),
            HistoryKind::First => instant(history.first(read.aggregate)),
            HistoryKind::Last => instant(history.last(read.aggregate)),
            HistoryKind::Sum => Operand::Double(numbers::from_nanos(
                history.sum_nanos(read.aggregate, read.window),
            )),
        }
    }
}

/// A count as an int; no count comes near the end of the range.
fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
