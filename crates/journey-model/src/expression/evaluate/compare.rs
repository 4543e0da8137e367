//! Order and equality, across whole numbers and doubles by their value.

use std::cmp::Ordering;

use super::{Evaluation, Outcome};
use crate::expression::EvaluationError;
use crate::expression::node::Comparison;
use crate::expression::operand::{Operand, fault};

/// 2^63: the first double beyond every i64.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

pub(super) fn compare<'a>(
    comparison: Comparison,
    left: &Operand<'a>,
    right: &Operand<'a>,
) -> Outcome<'a> {
    let Some(ordering) = order(left, right) else {
        return Err(fault(format!(
            "`{}` does not compare {} with {}",
            comparison.sign(),
            left.kind(),
            right.kind()
        )));
    };
    Ok(Operand::Bool(match comparison {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    }))
}

fn order(left: &Operand<'_>, right: &Operand<'_>) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        return Some(left.cmp(right));
    }
    match (left, right) {
        (Operand::Bool(left), Operand::Bool(right)) => Some(left.cmp(right)),
        (Operand::Time(left), Operand::Time(right))
        | (Operand::Span(left), Operand::Span(right)) => Some(left.cmp(right)),
        _ => order_of_numbers(left, right),
    }
}

fn order_of_numbers(left: &Operand<'_>, right: &Operand<'_>) -> Option<Ordering> {
    match (left, right) {
        (Operand::Int(left), Operand::Int(right)) => Some(left.cmp(right)),
        (Operand::Double(left), Operand::Double(right)) => left.partial_cmp(right),
        (Operand::Int(left), Operand::Double(right)) => int_to_double(*left, *right),
        (Operand::Double(left), Operand::Int(right)) => {
            int_to_double(*right, *left).map(Ordering::reverse)
        }
        _ => None,
    }
}

/// Exact, also where an i64 has no double of its own.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked: inside the i64 range, and the fraction is looked at afterwards"
)]
fn int_to_double(whole: i64, fractional: f64) -> Option<Ordering> {
    if fractional.is_nan() {
        None
    } else if fractional >= I64_END {
        Some(Ordering::Less)
    } else if fractional < -I64_END {
        Some(Ordering::Greater)
    } else {
        let by_whole = whole.cmp(&(fractional.trunc() as i64));
        let fraction = fractional.fract();
        Some(by_whole.then_with(|| 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
    }
}

impl<'a> Evaluation<'a> {
    /// Equality as CEL has it: values of different kinds differ, numbers are equal by value.
    pub(super) fn equal(
        &mut self,
        left: &Operand<'a>,
        right: &Operand<'a>,
    ) -> Result<bool, EvaluationError> {
        if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
            self.spend_text(left.len().min(right.len()))?;
            return Ok(left == right);
        }
        if let (Some(n_left), Some(n_right)) = (left.n_items(), right.n_items()) {
            return self.equal_lists(left, right, (n_left, n_right));
        }
        if let (Some(n_left), Some(n_right)) = (left.n_entries(), right.n_entries()) {
            return self.equal_maps(left, right, (n_left, n_right));
        }
        match (left, right) {
            (Operand::Null, Operand::Null) => Ok(true),
            (Operand::Bool(left), Operand::Bool(right)) => Ok(left == right),
            (Operand::Time(left), Operand::Time(right))
            | (Operand::Span(left), Operand::Span(right)) => Ok(left == right),
            (Operand::Optional(left), Operand::Optional(right)) => match (left, right) {
                (None, None) => Ok(true),
                (Some(left), Some(right)) => self.equal(left, right),
                (Some(_), None) | (None, Some(_)) => Ok(false),
            },
            _ => Ok(order_of_numbers(left, right) == Some(Ordering::Equal)),
        }
    }

    fn equal_lists(
        &mut self,
        left: &Operand<'a>,
        right: &Operand<'a>,
        (n_left, n_right): (usize, usize),
    ) -> Result<bool, EvaluationError> {
        if n_left != n_right {
            return Ok(false);
        }
        self.spend(n_left)?;
        for idx in 0..n_left {
            if let (Some(left), Some(right)) = (left.item(idx), right.item(idx))
                && !self.equal(&left, &right)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn equal_maps(
        &mut self,
        left: &Operand<'a>,
        right: &Operand<'a>,
        (n_left, n_right): (usize, usize),
    ) -> Result<bool, EvaluationError> {
        if n_left != n_right {
            return Ok(false);
        }
        self.spend(n_left)?;
        for key in left.keys() {
            let name = key.as_text().unwrap_or_default();
            let (Some(left), Some(right)) = (left.field(name), right.field(name)) else {
                return Ok(false);
            };
            if !self.equal(&left, &right)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
