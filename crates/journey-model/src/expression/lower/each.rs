//! Comprehensions: the parser writes them out as folds; here they become what they were again.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

use super::Lowering;
use crate::expression::limits::COMPREHENSION_DEPTH_MAX;
use crate::expression::node::{Each, EachKind, Node};

/// The parts of a macro, found again in its expansion.
struct Shape<'e> {
    kind: EachKind,
    condition: Option<&'e IdedExpr>,
    mapped: Option<&'e IdedExpr>,
}

impl Lowering<'_> {
    pub(super) fn each(&mut self, id: u64, comprehension: &ComprehensionExpr) -> Option<Node> {
        let range = self.lower(&comprehension.iter_range);
        let at = self.parsed.function_range(id);
        let Some(shape) = shape_of(comprehension) else {
            return self.refuse(at, "this kind of comprehension is not available");
        };
        if self.variables.len() >= COMPREHENSION_DEPTH_MAX {
            return self.refuse(
                at,
                format!("comprehensions nest at most {COMPREHENSION_DEPTH_MAX} deep"),
            );
        }
        let variable = self.variables.len();
        self.variables.push(comprehension.iter_var.clone());
        let condition = shape.condition.map(|condition| self.lower(condition));
        let mapped = shape.mapped.map(|mapped| self.lower(mapped));
        self.variables.pop();
        let condition = match condition {
            Some(lowered) => Some(lowered?),
            None => None,
        };
        let mapped = match mapped {
            Some(lowered) => Some(lowered?),
            None => None,
        };
        Some(Node::Each(Box::new(Each {
            kind: shape.kind,
            range: range?,
            variable,
            condition,
            mapped,
        })))
    }
}

fn shape_of(comprehension: &ComprehensionExpr) -> Option<Shape<'_>> {
    let (function, args) = call_of(&comprehension.loop_step)?;
    match (&comprehension.accu_init.expr, function, args) {
        // @result && p, @result || p
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_AND, [_, condition]) => {
            Some(Shape {
                kind: EachKind::All,
                condition: Some(condition),
                mapped: None,
            })
        }
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [_, condition]) => {
            Some(Shape {
                kind: EachKind::Exists,
                condition: Some(condition),
                mapped: None,
            })
        }
        // p ? @result + 1 : @result
        (Expr::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [condition, _, _]) => {
            Some(Shape {
                kind: EachKind::ExistsOne,
                condition: Some(condition),
                mapped: None,
            })
        }
        // p ? @result + [f] : @result
        (Expr::List(_), operators::CONDITIONAL, [condition, step, _]) => Some(Shape {
            kind: EachKind::Collect,
            condition: Some(condition),
            mapped: Some(appended(step)?),
        }),
        // @result + [f]
        (Expr::List(_), operators::ADD, _) => Some(Shape {
            kind: EachKind::Collect,
            condition: None,
            mapped: Some(appended(&comprehension.loop_step)?),
        }),
        _ => None,
    }
}

fn call_of(expr: &IdedExpr) -> Option<(&str, &[IdedExpr])> {
    if let Expr::Call(call) = &expr.expr {
        Some((call.func_name.as_str(), call.args.as_slice()))
    } else {
        None
    }
}

/// The `f` of `@result + [f]`.
fn appended(step: &IdedExpr) -> Option<&IdedExpr> {
    let (operators::ADD, [_, list]) = call_of(step)? else {
        return None;
    };
    if let Expr::List(list) = &list.expr
        && let [item] = list.elements.as_slice()
    {
        Some(item)
    } else {
        None
    }
}
