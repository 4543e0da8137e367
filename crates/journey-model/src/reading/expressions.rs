//! Expression fields: a YAML text is CEL; a number, a boolean and null are themselves (JOURNEYS section 1).

use std::collections::BTreeSet;
use std::ops::Range;

use journey_types::{EventName, Value};

use super::Reader;
use crate::expression::{Expression, Position, Site};
use crate::plan::ValueSource;
use crate::schema::EventSchema;
use crate::yaml::{Node, NodeValue, Notation, meant_value, quoted};

/// Where an expression stands and which event it would see there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpressionSite<'e> {
    pub(crate) position: Position,
    /// The only event that `event` can be there.
    pub(crate) event: Option<&'e EventName>,
}

impl<'e> ExpressionSite<'e> {
    pub(crate) const fn at(position: Position) -> Self {
        Self {
            position,
            event: None,
        }
    }

    pub(crate) const fn of_event(position: Position, event: Option<&'e EventName>) -> Self {
        Self { position, event }
    }
}

impl Reader<'_, '_> {
    /// A condition: an expression, or `true` or `false` itself.
    pub(crate) fn condition(
        &mut self,
        node: &Node,
        site: ExpressionSite<'_>,
    ) -> Option<Expression> {
        match &node.value {
            NodeValue::Text(text) => self.compile(node, text, site),
            NodeValue::Bool(flag) => {
                let text = if *flag { "true" } else { "false" };
                self.compile(node, text, site)
            }
            NodeValue::Null
            | NodeValue::Int(_)
            | NodeValue::Double(_)
            | NodeValue::List(_)
            | NodeValue::Map(_)
            | NodeValue::Refused => {
                self.expected_expression(node, "a condition");
                None
            }
        }
    }

    /// An expression where a number or a boolean makes no sense.
    pub(crate) fn expression(
        &mut self,
        node: &Node,
        site: ExpressionSite<'_>,
        expected: &str,
    ) -> Option<Expression> {
        if let NodeValue::Text(text) = &node.value {
            return self.compile(node, text, site);
        }
        self.expected_expression(node, expected);
        None
    }

    /// A value that is written down or computed.
    pub(crate) fn value_source(
        &mut self,
        node: &Node,
        site: ExpressionSite<'_>,
    ) -> Option<ValueSource> {
        match &node.value {
            NodeValue::Text(text) => self.compile(node, text, site).map(ValueSource::Expression),
            NodeValue::Null => Some(ValueSource::Literal(Value::Null)),
            NodeValue::Bool(flag) => Some(ValueSource::Literal(Value::Bool(*flag))),
            NodeValue::Int(number) => Some(ValueSource::Literal(Value::Int(*number))),
            NodeValue::Double(number) => Some(ValueSource::Literal(Value::number(*number))),
            NodeValue::List(_) | NodeValue::Map(_) | NodeValue::Refused => {
                self.expected_expression(node, "an expression, a number, `true`, `false` or null");
                None
            }
        }
    }

    /// Reports a node that is no expression; what YAML made a list or a map of is shown in quotes.
    fn expected_expression(&mut self, node: &Node, expected: &str) {
        let text = self.problems.text();
        let is_bracketed = text[node.span.start..].starts_with(['[', '{']);
        match &node.value {
            NodeValue::List(_) | NodeValue::Map(_) if is_bracketed => {
                let message = format!("{expected} is expected here, found {}", node.description());
                let meant = quoted(meant_value(text, node.span.start, node.is_in_flow));
                let suggestion = format!("if it is an expression, put it in quotes: `{meant}`");
                self.problems.error(node.span.clone(), message, suggestion);
            }
            NodeValue::Refused => {}
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Int(_)
            | NodeValue::Double(_)
            | NodeValue::Text(_)
            | NodeValue::List(_)
            | NodeValue::Map(_) => self.expected(node, expected),
        }
    }

    fn compile(&mut self, node: &Node, text: &str, site: ExpressionSite<'_>) -> Option<Expression> {
        if node.is_anchored && node.notation == Notation::Plain {
            let meant = meant_value(self.problems.text(), node.span.start, node.is_in_flow);
            let message = "`&` before an expression is read as a YAML anchor";
            let suggestion = format!("write the expression without it: `{}`", quoted(meant));
            self.problems.error(node.span.clone(), message, suggestion);
            return None;
        }
        let known = self.known;
        let event_properties = self.properties_of(site);
        let entry_properties = self.entry_properties();
        let site = Site {
            position: site.position,
            entrances: self.entrances,
            journeys: known.journeys.as_ref(),
            event_properties: event_properties.as_ref(),
            entry_properties: entry_properties.as_ref(),
            traits: known.schemas.trait_names(),
        };
        match Expression::compile(text, &site) {
            Ok(expression) => Some(expression),
            Err(problems) => {
                let cut = self.cut_short(node);
                // What follows from the cut is no problem of its own.
                let n_told = if cut.is_some() { 1 } else { problems.len() };
                for problem in problems.into_iter().take(n_told) {
                    let range = self.place_of(node, text, problem.range);
                    let suggestion = cut.clone().or_else(|| {
                        problem
                            .suggestion
                            .map(|suggestion| format!("did you mean `{suggestion}`?"))
                    });
                    self.problems.error_with(range, problem.message, suggestion);
                }
                None
            }
        }
    }

    /// The quoted form, where a plain text ended at ` #`, or at a comma inside `{ … }`, before its author meant it to.
    fn cut_short(&self, node: &Node) -> Option<String> {
        if node.notation != Notation::Plain {
            return None;
        }
        let text = self.problems.text();
        let after = text.get(node.span.end..)?;
        let line = after.lines().next().unwrap_or("");
        let is_cut = line.trim_start().starts_with('#')
            || (node.is_in_flow && line.starts_with([',', ']', '[', '{', '}']));
        let meant = meant_value(text, node.span.start, node.is_in_flow);
        let written = text.get(node.span.clone())?;
        (is_cut && meant.len() > written.len()).then(|| {
            let quoted = quoted(meant);
            format!("YAML ends the expression at `{written}`; put it in quotes: `{quoted}`")
        })
    }

    /// Where a part of an expression or a template stands in the source.
    pub(crate) fn place_of(&self, node: &Node, text: &str, part: Range<usize>) -> Range<usize> {
        let whole = node.span.clone();
        let Some(written) = self.problems.text().get(whole.clone()) else {
            return whole;
        };
        let shifted =
            |offset: usize| whole.start + offset + part.start..whole.start + offset + part.end;
        match node.notation {
            Notation::Plain if written == text => shifted(0),
            Notation::Quoted if written.get(1..written.len().saturating_sub(1)) == Some(text) => {
                shifted(1)
            }
            Notation::Block => place_in_block(written, text, &part)
                .map_or(whole.clone(), |place| {
                    whole.start + place.start..whole.start + place.end
                }),
            Notation::Plain | Notation::Quoted => whole,
        }
    }

    /// What a schema declares for the event that an expression sees.
    fn properties_of(&self, site: ExpressionSite<'_>) -> Option<BTreeSet<String>> {
        match (site.position, site.event) {
            (Position::Key, _) => self.entry_properties(),
            (_, Some(event)) => {
                let schema = self.known.schemas.event(event)?;
                Some(schema.names().clone())
            }
            (_, None) => None,
        }
    }

    /// What schemas declare for the entering events; `None` unless each of them is declared.
    fn entry_properties(&self) -> Option<BTreeSet<String>> {
        if self.entry_events.is_empty() {
            return None;
        }
        let schemas: Option<Vec<&EventSchema>> = self
            .entry_events
            .iter()
            .map(|event| self.known.schemas.event(event))
            .collect();
        let names = schemas?.into_iter().flat_map(EventSchema::names);
        Some(names.cloned().collect())
    }
}

/// The same for `|` blocks, whose lines are indented in the source.
fn place_in_block(written: &str, text: &str, part: &Range<usize>) -> Option<Range<usize>> {
    let before = text.get(..part.start)?;
    let line_idx = before.matches('\n').count();
    let column = part.start - before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.lines().nth(line_idx)?;
    let line_start = match line_idx {
        0 => 0,
        _ => written.match_indices('\n').nth(line_idx - 1)?.0 + 1,
    };
    let written_line = written[line_start..].lines().next()?;
    let indent = written_line.find(line)?;
    let start = line_start + indent + column;
    let length = part.len().min(line.len().saturating_sub(column)).max(1);
    Some(start..start + length)
}
