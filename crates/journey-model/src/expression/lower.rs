//! Syntax tree to nodes: names resolved against the site, every problem collected.
//!
//! ```text
//!   IdedExpr + Site ──► Node + AggregateNeeds, or problems
//! ```

mod calls;
mod each;
mod history;
mod names;

use std::ops::Range;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use journey_types::Value;

use super::aggregate::AggregateNeed;
use super::limits::{NODE_DEPTH_MAX, NODES_MAX, PROBLEMS_MAX};
use super::node::{Comparison, Node, Operator, SelectMode};
use super::parse::{Parsed, UNDERLINE_SIZE_BYTES_MAX, char_start};
use super::problem::ExpressionProblem;
use super::site::Site;

/// The state of one lowering.
pub(crate) struct Lowering<'p> {
    parsed: &'p Parsed<'p>,
    site: &'p Site<'p>,
    problems: Vec<ExpressionProblem>,
    aggregates: Vec<AggregateNeed>,
    /// Names of the enclosing comprehensions' variables, outermost first.
    variables: Vec<String>,
    n_nodes: usize,
    depth: usize,
    is_over_limit: bool,
}

/// What lowering gives.
pub(crate) struct Lowered {
    pub(crate) root: Node,
    pub(crate) aggregates: Vec<AggregateNeed>,
}

pub(crate) fn lower(
    parsed: &Parsed<'_>,
    site: &Site<'_>,
) -> Result<Lowered, Vec<ExpressionProblem>> {
    let mut lowering = Lowering {
        parsed,
        site,
        problems: Vec::new(),
        aggregates: Vec::new(),
        variables: Vec::new(),
        n_nodes: 0,
        depth: 0,
        is_over_limit: false,
    };
    let root = lowering.lower(&parsed.root);
    match root {
        Some(root) if lowering.problems.is_empty() => Ok(Lowered {
            root,
            aggregates: lowering.aggregates,
        }),
        _ => {
            let mut problems = lowering.problems;
            problems.sort_by_key(|problem| (problem.range.start, problem.range.end));
            problems.dedup();
            Err(problems)
        }
    }
}

impl Lowering<'_> {
    /// Lowers one node; `None` after reporting why not.
    fn lower(&mut self, expr: &IdedExpr) -> Option<Node> {
        self.n_nodes += 1;
        if self.n_nodes > NODES_MAX {
            self.over_limit(format!(
                "the expression has more than {NODES_MAX} nodes; split it over several steps or keep parts in `vars`"
            ));
            return None;
        }
        if self.depth >= NODE_DEPTH_MAX {
            self.over_limit(format!(
                "the expression nests deeper than {NODE_DEPTH_MAX} levels; group a long chain with parentheses"
            ));
            return None;
        }
        self.depth += 1;
        let node = self.lower_unbounded(expr);
        self.depth -= 1;
        node
    }

    fn lower_unbounded(&mut self, expr: &IdedExpr) -> Option<Node> {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr.id, literal),
            Expr::Ident(name) => self.bare_name(expr.id, name),
            Expr::Select(select) => {
                let mode = if select.test {
                    SelectMode::Test
                } else {
                    SelectMode::Must
                };
                self.select(&select.operand, &select.field, mode, expr.id)
            }
            Expr::Call(call) => self.call(expr.id, call),
            Expr::Comprehension(comprehension) => self.each(expr.id, comprehension),
            Expr::List(list) => {
                if !list.optional_indices.is_empty() {
                    return self.refuse(
                        self.parsed.range(expr.id),
                        "optional items in a list are not available yet",
                    );
                }
                let items: Vec<Option<Node>> =
                    list.elements.iter().map(|item| self.lower(item)).collect();
                let items = items.into_iter().collect::<Option<Vec<Node>>>()?;
                Some(list_node(items))
            }
            Expr::Map(map) => self.map(expr.id, &map.entries),
            Expr::Struct(message) => self.refuse(
                self.parsed.range(expr.id),
                format!("there is no message type `{}` here", message.type_name),
            ),
            Expr::Unspecified => {
                self.refuse(self.parsed.range(expr.id), "this part could not be read")
            }
        }
    }

    fn map(&mut self, id: u64, entries: &[cel::common::ast::IdedEntryExpr]) -> Option<Node> {
        let mut lowered = Vec::with_capacity(entries.len());
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return self.refuse(self.parsed.range(id), "this part could not be read");
            };
            if entry.optional {
                return self.refuse(
                    self.parsed.range(id),
                    "optional entries in a map are not available yet",
                );
            }
            if !matches!(entry.key.expr, Expr::Literal(LiteralValue::String(_)))
                && matches!(entry.key.expr, Expr::Literal(_))
            {
                self.report(
                    self.parsed.range(entry.key.id),
                    "keys of a map are text, such as `{'a': 1}`",
                    None,
                );
                continue;
            }
            let key = self.lower(&entry.key);
            let value = self.lower(&entry.value);
            lowered.push(key.zip(value));
        }
        let lowered: Option<Vec<(Node, Node)>> = lowered.into_iter().collect();
        lowered.map(Node::Map)
    }

    fn literal(&mut self, id: u64, literal: &LiteralValue) -> Option<Node> {
        let value = match literal {
            LiteralValue::Boolean(flag) => Value::Bool(*flag.inner()),
            LiteralValue::Int(number) => Value::Int(*number.inner()),
            LiteralValue::Double(number) if number.inner().is_finite() => {
                Value::Double(*number.inner())
            }
            LiteralValue::Double(_) => {
                return self.refuse(
                    self.parsed.range(id),
                    "the number is too large for a double",
                );
            }
            LiteralValue::String(text) => Value::text(text.inner()),
            LiteralValue::Null => Value::Null,
            LiteralValue::UInt(_) => {
                let range = self.parsed.range(id);
                let digits = self.parsed.source[range.clone()].trim_end_matches(['u', 'U']);
                let suggestion = Some(digits.to_owned());
                self.report(
                    range,
                    "there are no unsigned numbers here: write it without `u`",
                    suggestion,
                );
                return None;
            }
            LiteralValue::Bytes(_) => {
                return self.refuse(self.parsed.range(id), "there are no byte strings here");
            }
        };
        Some(Node::Literal(value))
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Option<Node> {
        if call.target.is_none() {
            if let [left, right] = call.args.as_slice()
                && let Some(binary) = binary_operator(&call.func_name)
            {
                return self.binary(binary, left, right);
            }
            match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::LOGICAL_NOT, [operand]) => {
                    return Some(Node::Not(Box::new(self.lower(operand)?)));
                }
                (operators::NEGATE, [operand]) => {
                    return Some(Node::Negate(Box::new(self.lower(operand)?)));
                }
                (operators::CONDITIONAL, [condition, yes, no]) => {
                    let condition = self.lower(condition);
                    let yes = self.lower(yes);
                    let no = self.lower(no);
                    return Some(Node::Conditional(Box::new([condition?, yes?, no?])));
                }
                (operators::OPT_SELECT, [operand, field]) => {
                    let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                        return self.refuse(self.parsed.range(id), "this part could not be read");
                    };
                    return self.select(operand, field.inner(), SelectMode::Optional, id);
                }
                _ => {}
            }
        }
        self.function(id, call)
    }

    fn binary(&mut self, binary: Binary, left: &IdedExpr, right: &IdedExpr) -> Option<Node> {
        let left = self.lower(left);
        let right = self.lower(right);
        let operands = Box::new([left?, right?]);
        Some(match binary {
            Binary::Logic(absorbing) => Node::Logic {
                absorbing,
                operands,
            },
            Binary::Arithmetic(operator) => Node::Arithmetic { operator, operands },
            Binary::Compare(comparison) => Node::Compare {
                comparison,
                operands,
            },
            Binary::Equal(is_negated) => Node::Equal {
                is_negated,
                operands,
            },
            Binary::In => Node::In(operands),
            Binary::Index(is_optional) => Node::Index {
                operands,
                is_optional,
            },
        })
    }

    fn report(
        &mut self,
        range: Range<usize>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(ExpressionProblem {
                range,
                message: message.into(),
                suggestion,
            });
        }
    }

    /// Reports and gives up on the node.
    fn refuse(&mut self, range: Range<usize>, message: impl Into<String>) -> Option<Node> {
        self.report(range, message, None);
        None
    }

    fn over_limit(&mut self, message: String) {
        if !self.is_over_limit {
            self.is_over_limit = true;
            let end = char_start(self.parsed.source, UNDERLINE_SIZE_BYTES_MAX);
            self.report(0..end, message, None);
        }
    }
}

#[derive(Clone, Copy)]
enum Binary {
    Logic(bool),
    Arithmetic(Operator),
    Compare(Comparison),
    Equal(bool),
    In,
    Index(bool),
}

fn binary_operator(name: &str) -> Option<Binary> {
    Some(match name {
        operators::LOGICAL_AND => Binary::Logic(false),
        operators::LOGICAL_OR => Binary::Logic(true),
        operators::ADD => Binary::Arithmetic(Operator::Add),
        operators::SUBSTRACT => Binary::Arithmetic(Operator::Subtract),
        operators::MULTIPLY => Binary::Arithmetic(Operator::Multiply),
        operators::DIVIDE => Binary::Arithmetic(Operator::Divide),
        operators::MODULO => Binary::Arithmetic(Operator::Remainder),
        operators::LESS => Binary::Compare(Comparison::Less),
        operators::LESS_EQUALS => Binary::Compare(Comparison::LessOrEqual),
        operators::GREATER => Binary::Compare(Comparison::Greater),
        operators::GREATER_EQUALS => Binary::Compare(Comparison::GreaterOrEqual),
        operators::EQUALS => Binary::Equal(false),
        operators::NOT_EQUALS => Binary::Equal(true),
        operators::IN => Binary::In,
        operators::INDEX => Binary::Index(false),
        operators::OPT_INDEX => Binary::Index(true),
        _ => return None,
    })
}

/// A list; one of literals alone becomes a literal, so that nothing is built when it is evaluated.
fn list_node(items: Vec<Node>) -> Node {
    if items.iter().all(|item| matches!(item, Node::Literal(_))) {
        let values = items.into_iter().filter_map(|item| match item {
            Node::Literal(value) => Some(value),
            _ => None,
        });
        Node::Literal(Value::List(values.collect()))
    } else {
        Node::List(items)
    }
}
