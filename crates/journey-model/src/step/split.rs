//! `split: [ { when: CEL, next: s }, { else: s } ]`: the first arm that holds.

use std::collections::BTreeMap;

use journey_types::Value;

use super::{KindContext, StepNames};
use crate::expression::Position;
use crate::fields::Fields;
use crate::plan::SplitArm;
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::Node;

pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    context: &KindContext<'_>,
) -> Option<Vec<SplitArm>> {
    let n_errors = reader.problems.n_errors();
    let items = reader.items(node, "arms");
    let mut arms: Vec<SplitArm> = Vec::new();
    for item in items {
        let follows_else = arms.last().is_some_and(|arm| arm.condition.is_none());
        if follows_else {
            let message = "no arm is ever taken after `else`";
            let advice = "put `else` last";
            reader.problems.error(item.span.clone(), message, advice);
        }
        arms.extend(read_arm(reader, item, context));
    }
    (reader.problems.n_errors() == n_errors).then_some(arms)
}

fn read_arm(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    context: &KindContext<'_>,
) -> Option<SplitArm> {
    let mut fields = Fields::of(node, "an arm of `split`", reader.problems)?;
    let when = fields.take("when");
    let otherwise = fields.take("else");
    let next = fields.take("next");
    let arm = match (when, otherwise) {
        (Some(when), None) => {
            let condition = reader.condition(when, ExpressionSite::at(Position::Step));
            let next = match next {
                None => Some(context.next),
                Some(node) => context.step.names.target(reader, node),
            };
            condition.zip(next).map(|(condition, next)| SplitArm {
                condition: Some(condition),
                next,
            })
        }
        (None, Some(otherwise)) => {
            if let Some(next) = next {
                let message = "`else` names its step itself";
                let advice = "write `{ else: step }` without `next`";
                reader.problems.error(next.span.clone(), message, advice);
            }
            let next = context.step.names.target(reader, otherwise);
            next.map(|next| SplitArm {
                condition: None,
                next,
            })
        }
        _ => {
            let message = "an arm of `split` has either `when` or `else`";
            let advice = "write `{ when: condition, next: step }` or `{ else: step }`";
            reader.problems.error(fields.span(), message, advice);
            None
        }
    };
    fields.finish(reader.problems);
    arm
}

pub(super) fn canonical(arms: &[SplitArm], names: &StepNames) -> Value {
    let arm = |arm: &SplitArm| {
        let next = names.canonical(arm.next);
        Value::Map(match &arm.condition {
            None => BTreeMap::from([("else".to_owned(), next)]),
            Some(condition) => BTreeMap::from([
                ("when".to_owned(), Value::text(condition.source())),
                ("next".to_owned(), next),
            ]),
        })
    };
    Value::List(arms.iter().map(arm).collect())
}
