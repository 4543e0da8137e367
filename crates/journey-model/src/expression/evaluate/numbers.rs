//! Arithmetic: whole numbers and doubles mix, overflow is an error, times and spans add up.

use std::rc::Rc;

use super::{Evaluation, Outcome};
use crate::expression::EvaluationError;
use crate::expression::limits::{LIST_ITEMS_MAX, RESULT_SIZE_BYTES_MAX};
use crate::expression::node::Operator;
use crate::expression::operand::{Operand, fault};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: the instants that CEL knows.
const TIME_RANGE_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;
const NANOS_PER_UNIT: i128 = 1_000_000_000;

/// A sum of 10⁻⁹ units as a double, without the rounding of a division where the sum is whole.
#[expect(
    clippy::cast_precision_loss,
    reason = "a double is what the language gives"
)]
pub(super) fn from_nanos(nanos: i128) -> f64 {
    if nanos % NANOS_PER_UNIT == 0 {
        (nanos / NANOS_PER_UNIT) as f64
    } else {
        nanos as f64 / NANOS_PER_UNIT as f64
    }
}

pub(super) fn negate<'a>(operand: &Operand<'a>) -> Outcome<'a> {
    if let Operand::Int(number) = operand {
        let negated = number.checked_neg();
        negated
            .map(Operand::Int)
            .ok_or_else(|| fault("`-` overflows"))
    } else if let Operand::Double(number) = operand {
        Ok(Operand::Double(-number))
    } else if let Operand::Span(ms) = operand {
        let negated = ms.checked_neg();
        negated
            .map(Operand::Span)
            .ok_or_else(|| fault("`-` overflows"))
    } else {
        Err(fault(format!("`-` does not apply to {}", operand.kind())))
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn arithmetic(
        &mut self,
        operator: Operator,
        left: &Operand<'a>,
        right: &Operand<'a>,
    ) -> Outcome<'a> {
        if let (Operand::Int(left), Operand::Int(right)) = (left, right) {
            return whole(operator, *left, *right).map(Operand::Int);
        }
        if let (Some(left), Some(right)) = (as_double(left), as_double(right)) {
            return fractional(operator, left, right).map(Operand::Double);
        }
        if let Some(time) = with_times(operator, left, right) {
            return time;
        }
        if operator == Operator::Add {
            if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
                return self.joined_text(left, right);
            }
            if let (Some(n_left), Some(n_right)) = (left.n_items(), right.n_items()) {
                return self.joined_list(left, n_left, right, n_right);
            }
        }
        Err(fault(format!(
            "`{}` does not apply to {} and {}",
            operator.sign(),
            left.kind(),
            right.kind()
        )))
    }

    fn joined_text(&mut self, left: &str, right: &str) -> Outcome<'a> {
        let size_bytes = left.len() + right.len();
        if size_bytes > RESULT_SIZE_BYTES_MAX {
            return Err(fault(format!(
                "the text is larger than {RESULT_SIZE_BYTES_MAX} bytes"
            )));
        }
        self.spend_text(size_bytes)?;
        Ok(Operand::made_text(format!("{left}{right}")))
    }

    fn joined_list(
        &mut self,
        left: &Operand<'a>,
        n_left: usize,
        right: &Operand<'a>,
        n_right: usize,
    ) -> Outcome<'a> {
        if n_left + n_right > LIST_ITEMS_MAX {
            return Err(fault(format!(
                "the list has more than {LIST_ITEMS_MAX} items"
            )));
        }
        self.spend(n_left + n_right)?;
        let items = (0..n_left).filter_map(|idx| left.item(idx));
        let items: Vec<Operand<'a>> = items
            .chain((0..n_right).filter_map(|idx| right.item(idx)))
            .collect();
        Ok(Operand::MadeList(Rc::from(items)))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "promotion is what mixing asks for"
)]
const fn as_double(operand: &Operand<'_>) -> Option<f64> {
    if let Operand::Int(number) = operand {
        Some(*number as f64)
    } else if let Operand::Double(number) = operand {
        Some(*number)
    } else {
        None
    }
}

fn whole(operator: Operator, left: i64, right: i64) -> Result<i64, EvaluationError> {
    if right == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
        return Err(fault(format!(
            "`{left} {} 0` divides by zero",
            operator.sign()
        )));
    }
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
    };
    result.ok_or_else(|| fault(format!("`{left} {} {right}` overflows", operator.sign())))
}

fn fractional(operator: Operator, left: f64, right: f64) -> Result<f64, EvaluationError> {
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => {
            return Err(fault(format!("`{left:?} / 0` divides by zero")));
        }
        Operator::Divide => left / right,
        Operator::Remainder => return Err(fault("`%` needs whole numbers")),
    };
    if result.is_finite() {
        Ok(result)
    } else {
        Err(fault(format!(
            "`{left:?} {} {right:?}` overflows",
            operator.sign()
        )))
    }
}

fn with_times<'a>(
    operator: Operator,
    left: &Operand<'a>,
    right: &Operand<'a>,
) -> Option<Outcome<'a>> {
    let instant = |ms: Option<i64>| {
        ms.filter(|ms| TIME_RANGE_MS.contains(ms))
            .map(Operand::Time)
            .ok_or_else(|| fault("the time lies outside the years 1 to 9999"))
    };
    let span = |ms: Option<i64>| {
        ms.map(Operand::Span)
            .ok_or_else(|| fault("the span is too long"))
    };
    match (operator, left, right) {
        (Operator::Add, Operand::Time(time), Operand::Span(by))
        | (Operator::Add, Operand::Span(by), Operand::Time(time)) => {
            Some(instant(time.checked_add(*by)))
        }
        (Operator::Subtract, Operand::Time(time), Operand::Span(by)) => {
            Some(instant(time.checked_sub(*by)))
        }
        (Operator::Subtract, Operand::Time(left), Operand::Time(right))
        | (Operator::Subtract, Operand::Span(left), Operand::Span(right)) => {
            Some(span(left.checked_sub(*right)))
        }
        (Operator::Add, Operand::Span(left), Operand::Span(right)) => {
            Some(span(left.checked_add(*right)))
        }
        _ => None,
    }
}
