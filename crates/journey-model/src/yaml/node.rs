//! The tree of one YAML document, every node with its place in the text.

use std::ops::Range;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: NodeValue,
    /// Bytes of the source; of a collection from its first to its last.
    pub(crate) span: Range<usize>,
    pub(crate) notation: Notation,
    /// Whether it stands inside `{ … }` or `[ … ]`.
    pub(crate) is_in_flow: bool,
    /// Whether it carries an anchor `&name`.
    pub(crate) is_anchored: bool,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notation {
    Plain,
    Quoted,
    Block,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum NodeValue {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A problem has been reported; readers pass over it in silence.
    Refused,
}

/// One line of a map.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Node,
}

/// A name in a map.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

impl Node {
    /// What it is, for messages: "the number 5", "a list".
    pub(crate) fn description(&self) -> String {
        match &self.value {
            NodeValue::Null => "nothing".to_owned(),
            NodeValue::Bool(flag) => format!("`{flag}`"),
            NodeValue::Int(number) => format!("the number {number}"),
            NodeValue::Double(number) => format!("the number {number}"),
            NodeValue::Text(text) => format!("the text `{}`", shortened(text)),
            NodeValue::List(_) => "a list".to_owned(),
            NodeValue::Map(_) => "a map".to_owned(),
            NodeValue::Refused => "what was refused".to_owned(),
        }
    }

    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self.value, NodeValue::Refused)
    }
}

/// The first characters of a text for a message, on one line.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let line: String = text.lines().next().unwrap_or("").to_owned();
    if line.chars().count() <= CHARS_MAX && line.len() == text.trim_end().len() {
        return line;
    }
    let start: String = line.chars().take(CHARS_MAX).collect();
    format!("{start}…")
}
