//! YAML text to trees that keep every place, several documents a file.
//!
//! Explicit tags, merge keys, directives and duplicate names are refused here, each with its place. The scanner is
//! serde-saphyr's own (`granit-parser`): its typed route would stop at the first problem and forget the rest.

mod node;
mod quoting;
mod scalar;

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::limits::{YAML_DEPTH_MAX, YAML_NODES_MAX};
use crate::problems::Problems;

pub(crate) use node::{Entry, Key, Node, NodeValue, Notation, shortened};
pub(crate) use quoting::{meant_value, quoted};

/// One document of a file.
#[derive(Debug)]
pub(crate) struct YamlDocument {
    pub(crate) root: Node,
    /// The bytes of the file that are this document's own.
    pub(crate) range: Range<usize>,
}

/// Reads the documents of the source that `problems` belongs to; what cannot be read is reported and left out.
pub(crate) fn documents(text: &str, problems: &mut Problems<'_>) -> Vec<YamlDocument> {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: YAML_DEPTH_MAX,
        block_nesting_limit: YAML_DEPTH_MAX,
    };
    let mut builder = TreeBuilder {
        text,
        parser: Parser::new_from_str_with_options(text, options),
        problems,
        anchors: BTreeMap::new(),
        n_nodes: 0,
        is_at_key: false,
    };
    let mut found = Vec::new();
    let mut starts = Vec::new();
    loop {
        match builder.document(&mut starts) {
            Ok(Some(root)) => found.push((root, starts.len() - 1)),
            Ok(None) => break,
            Err(Stopped) => match builder.parser.proceed_next_document() {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            },
        }
    }
    let end_of = |idx: usize| starts.get(idx + 1).copied().unwrap_or(text.len());
    found
        .into_iter()
        .map(|(root, idx)| YamlDocument {
            root,
            range: starts[idx]..end_of(idx),
        })
        .collect()
}

/// The document at hand cannot be read any further; the reason is reported.
struct Stopped;

struct TreeBuilder<'s, 'p, 'd> {
    text: &'s str,
    parser: Parser<'s, StrInput<'s>>,
    problems: &'p mut Problems<'d>,
    anchors: BTreeMap<usize, Node>,
    n_nodes: usize,
    /// Whether the node being read is a name in a map.
    is_at_key: bool,
}

impl<'s> TreeBuilder<'s, '_, '_> {
    /// The next document with something in it; where each begins is pushed to `starts`.
    fn document(&mut self, starts: &mut Vec<usize>) -> Result<Option<Node>, Stopped> {
        loop {
            let (event, span) = match self.parser.next_event() {
                None => return Ok(None),
                Some(event) => self.accept(event)?,
            };
            match event {
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(..) => {
                    // What stands before the first `---` belongs to the first document.
                    let at = if starts.is_empty() {
                        0
                    } else {
                        start_of(&span)
                    };
                    starts.push(at);
                    self.anchors.clear();
                    let (event, span) = self.next()?;
                    let root = self.node(event, &span, false)?;
                    self.next()?;
                    if !matches!(root.value, NodeValue::Null) {
                        return Ok(Some(root));
                    }
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), Stopped> {
        let event = self.parser.next_event().ok_or(Stopped)?;
        self.accept(event)
    }

    fn accept(
        &mut self,
        event: Result<(Event<'s>, Span), granit_parser::ScanError>,
    ) -> Result<(Event<'s>, Span), Stopped> {
        event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0);
            let message = format!("this is not YAML: {}", error.info());
            match quoting::quoted_field(self.text, at) {
                Some((field, range)) => {
                    let advice = format!("put the expression in quotes: `{field}`");
                    self.problems.error(range, message, advice);
                }
                None => self.problems.error_only(at..at + 1, message),
            }
            Stopped
        })
    }

    fn node(&mut self, event: Event<'s>, span: &Span, is_in_flow: bool) -> Result<Node, Stopped> {
        self.count(1, span)?;
        let (value, notation, anchor, end) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                // A value left out is reported as `~` without a place.
                let is_left_out = is_plain && span.is_empty();
                let value = match (is_left_out, is_plain) {
                    (true, _) => NodeValue::Null,
                    (false, true) => scalar::resolve(&text),
                    (false, false) => NodeValue::Text(text.into_owned()),
                };
                (value, notation_of(style), anchor, end_of(span))
            }
            Event::SequenceStart(style, anchor, _) => {
                let is_in_flow = is_in_flow || style == granit_parser::StructureStyle::Flow;
                let (items, end) = self.list(is_in_flow)?;
                (NodeValue::List(items), Notation::Plain, anchor, end)
            }
            Event::MappingStart(style, anchor, _) => {
                let is_in_flow = is_in_flow || style == granit_parser::StructureStyle::Flow;
                let (entries, end) = self.map(is_in_flow)?;
                (NodeValue::Map(entries), Notation::Plain, anchor, end)
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::UnresolvedAlias(name) => {
                let advice = self.quote_advice(start_of(span), is_in_flow);
                let message = format!("`*{name}` is read as a YAML alias, and nothing is named so");
                self.problems.error(range_of(span), message, advice);
                (NodeValue::Refused, Notation::Plain, 0, end_of(span))
            }
            other => unreachable!("no node begins with {other:?}"),
        };
        let mut node = Node {
            value,
            span: start_of(span)..end.max(start_of(span)),
            notation,
            is_in_flow,
            is_anchored: anchor != 0,
        };
        self.refuse_tag(&mut node, span);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, is_in_flow: bool) -> Result<(Vec<Node>, usize), Stopped> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((items, end_of(&span)));
            }
            items.push(self.node(event, &span, is_in_flow)?);
        }
    }

    fn map(&mut self, is_in_flow: bool) -> Result<(Vec<Entry>, usize), Stopped> {
        let mut entries: Vec<Entry> = Vec::new();
        // Lookups by name: a file of the largest legal size must not take quadratic time.
        let mut places: BTreeMap<String, Range<usize>> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok((entries, end_of(&span)));
            }
            self.is_at_key = true;
            let key_node = self.node(event, &span, is_in_flow)?;
            self.is_at_key = false;
            let (event, span) = self.next()?;
            let value = self.node(event, &span, is_in_flow)?;
            let Some(key) = self.key(&key_node) else {
                continue;
            };
            if let Some(first) = places.get(&key.text) {
                let line = self.text[..first.start].matches('\n').count() + 1;
                let message = format!(
                    "`{}` is written twice; the first is on line {line}",
                    key.text
                );
                self.problems
                    .error(key.span, message, "keep one of the two");
                continue;
            }
            places.insert(key.text.clone(), key.span.clone());
            entries.push(Entry { key, value });
        }
    }

    fn key(&mut self, node: &Node) -> Option<Key> {
        let text = match &node.value {
            // A refused tag hides nothing: the field is still meant.
            NodeValue::Refused => self.text.get(node.span.clone())?.to_owned(),
            NodeValue::List(_) | NodeValue::Map(_) => {
                let message = format!("a name is expected here, found {}", node.description());
                self.problems.error_only(node.span.clone(), message);
                return None;
            }
            NodeValue::Text(text) => text.clone(),
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Int(_) | NodeValue::Double(_) => {
                self.text.get(node.span.clone()).unwrap_or("").to_owned()
            }
        };
        if text == "<<" && node.notation == Notation::Plain {
            let message = "merge keys `<<` are refused: YAML 1.2 has none".to_owned();
            self.problems
                .error(node.span.clone(), message, "write the fields out");
            return None;
        }
        Some(Key {
            text,
            span: node.span.clone(),
        })
    }

    /// A copy of what the anchor names, at the place of the alias.
    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Node, Stopped> {
        let Some(mut node) = self.anchors.get(&anchor).cloned() else {
            let message = "an alias inside the very thing it names is refused".to_owned();
            self.problems.error_only(range_of(span), message);
            return Err(Stopped);
        };
        self.count(n_nodes_of(&node), span)?;
        // Problems inside are reported where the text stands; what the node is as a whole, here.
        if !matches!(node.value, NodeValue::List(_) | NodeValue::Map(_)) {
            node.is_anchored = false;
        }
        Ok(node)
    }

    fn count(&mut self, n_nodes: usize, span: &Span) -> Result<(), Stopped> {
        self.n_nodes += n_nodes;
        if self.n_nodes <= YAML_NODES_MAX {
            return Ok(());
        }
        let message =
            format!("this file has more than {YAML_NODES_MAX} values, aliases counted in full");
        self.problems
            .error(range_of(span), message, "split it into several files");
        Err(Stopped)
    }

    fn refuse_tag(&mut self, node: &mut Node, span: &Span) {
        let Some(tag) = span.tag_span().and_then(|tag| tag.byte_range()) else {
            return;
        };
        let written = &self.text[tag.clone()];
        let advice = if self.is_at_key || written.starts_with("!!") {
            "leave the tag out; text that looks like a number is put in quotes".to_owned()
        } else {
            self.quote_advice(tag.start, node.is_in_flow)
        };
        let message = format!("`{written}` is read as a YAML tag; explicit tags are refused");
        self.problems.error(tag, message, advice);
        node.value = NodeValue::Refused;
    }

    fn quote_advice(&self, start: usize, is_in_flow: bool) -> String {
        let value = meant_value(self.text, start, is_in_flow);
        let line_start = self.text[..start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let before = self.text[line_start..start].trim_end();
        let name = before.strip_suffix(':').map_or("", |named| {
            named.rsplit([' ', '{', ',', '\t']).next().unwrap_or("")
        });
        let value = quoted(value);
        if name.is_empty() {
            format!("if it is text or an expression, put it in quotes: `{value}`")
        } else {
            format!("if it is text or an expression, put it in quotes: `{name}: {value}`")
        }
    }
}

fn n_nodes_of(node: &Node) -> usize {
    1 + match &node.value {
        NodeValue::List(items) => items.iter().map(n_nodes_of).sum(),
        NodeValue::Map(entries) => entries
            .iter()
            .map(|entry| 1 + n_nodes_of(&entry.value))
            .sum(),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Int(_)
        | NodeValue::Double(_)
        | NodeValue::Text(_)
        | NodeValue::Refused => 0_usize,
    }
}

const fn notation_of(style: ScalarStyle) -> Notation {
    match style {
        ScalarStyle::Plain => Notation::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Notation::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Notation::Block,
    }
}

fn start_of(span: &Span) -> usize {
    span.start.byte_offset().unwrap_or(0)
}

fn end_of(span: &Span) -> usize {
    span.end.byte_offset().unwrap_or(0)
}

fn range_of(span: &Span) -> Range<usize> {
    start_of(span)..end_of(span)
}

#[cfg(test)]
mod tests;
