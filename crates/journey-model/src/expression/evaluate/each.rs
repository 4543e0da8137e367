//! Comprehensions over lists and the keys of maps, each walked once and at most to its bound.

use std::rc::Rc;

use super::{Evaluation, Outcome};
use crate::expression::EvaluationError;
use crate::expression::limits::LIST_ITEMS_MAX;
use crate::expression::node::{Each, EachKind};
use crate::expression::operand::{Operand, fault};

impl<'a> Evaluation<'a> {
    pub(super) fn each(&mut self, each: &'a Each) -> Outcome<'a> {
        let range = self.evaluate(&each.range)?;
        let (range, n_items) = if let Some(n_items) = range.n_items() {
            (range, n_items)
        } else if let Some(n_entries) = range.n_entries() {
            check_length(n_entries)?;
            (Operand::MadeList(Rc::from(range.keys())), n_entries)
        } else {
            return Err(fault(format!(
                "{} is {}: only lists and maps can be walked",
                each.range.path(),
                range.kind()
            )));
        };
        check_length(n_items)?;
        match each.kind {
            EachKind::All => self.until(each, &range, n_items, false),
            EachKind::Exists => self.until(each, &range, n_items, true),
            EachKind::ExistsOne => {
                let mut n_found = 0;
                for idx in 0..n_items {
                    n_found += usize::from(self.holds_for(each, &range, idx)?);
                }
                Ok(Operand::Bool(n_found == 1))
            }
            EachKind::Collect => self.collect(each, &range, n_items),
        }
    }

    /// `all` looks for false and `exists` for true; an error counts only when it is not found.
    fn until(
        &mut self,
        each: &'a Each,
        range: &Operand<'a>,
        n_items: usize,
        looked_for: bool,
    ) -> Outcome<'a> {
        let mut error = None;
        for idx in 0..n_items {
            match self.holds_for(each, range, idx) {
                Ok(found) if found == looked_for => return Ok(Operand::Bool(looked_for)),
                Ok(_) => {}
                Err(reason) => error = error.or(Some(reason)),
            }
        }
        match error {
            Some(reason) => Err(reason),
            None => Ok(Operand::Bool(!looked_for)),
        }
    }

    fn collect(&mut self, each: &'a Each, range: &Operand<'a>, n_items: usize) -> Outcome<'a> {
        let mut collected = Vec::new();
        for idx in 0..n_items {
            if !self.holds_for(each, range, idx)? {
                continue;
            }
            collected.push(match &each.mapped {
                Some(mapped) => self.evaluate(mapped)?,
                None => self.variables[each.variable].clone(),
            });
        }
        Ok(Operand::MadeList(Rc::from(collected)))
    }

    /// Binds the item and evaluates the condition; without one it holds.
    fn holds_for(
        &mut self,
        each: &'a Each,
        range: &Operand<'a>,
        idx: usize,
    ) -> Result<bool, EvaluationError> {
        self.spend(1)?;
        self.variables[each.variable] = range.item(idx).unwrap_or(Operand::Null);
        match &each.condition {
            Some(condition) => self.condition(condition),
            None => Ok(true),
        }
    }
}

fn check_length(n_items: usize) -> Result<(), EvaluationError> {
    if n_items > LIST_ITEMS_MAX {
        return Err(fault(format!(
            "a list of {n_items} items cannot be walked, at most {LIST_ITEMS_MAX} can"
        )));
    }
    Ok(())
}
