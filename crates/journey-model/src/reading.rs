//! Reads nodes as the types of the language; every failure is reported and reading goes on.

mod expressions;
mod times;

use std::str::FromStr;

use journey_types::{EventName, InvalidId};

use crate::expression::Entrances;
use crate::known::Known;
use crate::limits::{LINE_SIZE_BYTES_MAX, RULES_PER_LIST_MAX};
use crate::problems::Problems;
use crate::yaml::{Node, NodeValue};

pub(crate) use expressions::ExpressionSite;

/// Reads one document.
#[derive(Debug)]
pub(crate) struct Reader<'a, 's> {
    pub(crate) problems: &'a mut Problems<'s>,
    pub(crate) known: &'a Known,
    /// The events by which the journey at hand enters.
    pub(crate) entry_events: Vec<EventName>,
    /// The ways into the journey at hand; both until they are read.
    pub(crate) entrances: Entrances,
    /// Whether the `key` of the journey at hand can be evaluated on an event.
    pub(crate) key_reads_event: bool,
}

impl<'a, 's> Reader<'a, 's> {
    pub(crate) const fn new(problems: &'a mut Problems<'s>, known: &'a Known) -> Self {
        Self {
            problems,
            known,
            entry_events: Vec::new(),
            entrances: Entrances::ANY,
            key_reads_event: true,
        }
    }

    /// Reports that a node is not what it should be.
    pub(crate) fn expected(&mut self, node: &Node, expected: &str) {
        if node.is_refused() {
            return;
        }
        let message = format!("{expected} is expected here, found {}", node.description());
        let suggestion = self.quote_advice(node, expected);
        self.problems
            .error_with(node.span.clone(), message, suggestion);
    }

    /// Where text is expected and a bare `2024` or `true` stands, quotes are all it needs.
    fn quote_advice(&self, node: &Node, expected: &str) -> Option<String> {
        let is_scalar = matches!(
            node.value,
            NodeValue::Bool(_) | NodeValue::Int(_) | NodeValue::Double(_)
        );
        let written = self.problems.text().get(node.span.clone())?;
        (is_scalar && expected.contains("text"))
            .then(|| format!("put it in quotes: `\"{written}\"`"))
    }

    pub(crate) fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        if let NodeValue::Text(text) = &node.value {
            return Some(text);
        }
        self.expected(node, expected);
        None
    }

    /// A line for people, at most 256 bytes.
    pub(crate) fn line(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node, "a text")?;
        if text.is_empty() || text.len() > LINE_SIZE_BYTES_MAX {
            let message = format!("1 to {LINE_SIZE_BYTES_MAX} bytes are allowed here");
            self.problems.error_only(node.span.clone(), message);
            return None;
        }
        Some(text.to_owned())
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            NodeValue::Bool(flag) => Some(*flag),
            NodeValue::Text(text) => {
                let meant = match text.as_str() {
                    "yes" | "on" | "y" | "Yes" | "On" => Some("true"),
                    "no" | "off" | "n" | "No" | "Off" => Some("false"),
                    _ => None,
                };
                let message =
                    format!("`true` or `false` is expected here, found the text `{text}`");
                let suggestion = meant.map(|meant| format!("write `{meant}`"));
                self.problems
                    .error_with(node.span.clone(), message, suggestion);
                None
            }
            NodeValue::Null
            | NodeValue::Int(_)
            | NodeValue::Double(_)
            | NodeValue::List(_)
            | NodeValue::Map(_)
            | NodeValue::Refused => {
                self.expected(node, "`true` or `false`");
                None
            }
        }
    }

    /// A whole number in a range.
    pub(crate) fn whole_number(&mut self, node: &Node, min: i64, max: i64) -> Option<i64> {
        let expected = format!("a whole number from {min} to {max}");
        if let NodeValue::Int(number) = node.value
            && (min..=max).contains(&number)
        {
            return Some(number);
        }
        self.expected(node, &expected);
        None
    }

    /// An id or a name that checks itself.
    pub(crate) fn id<T: FromStr<Err = InvalidId>>(&mut self, node: &Node) -> Option<T> {
        let text = self.text(node, "a text")?;
        match text.parse() {
            Ok(id) => Some(id),
            Err(error) => {
                let suggestion = id_suggestion(text, &error);
                self.problems
                    .error_with(node.span.clone(), error.to_string(), suggestion);
                None
            }
        }
    }

    /// The items of a list of 1 to 100.
    pub(crate) fn items<'n>(&mut self, node: &'n Node, of: &str) -> &'n [Node] {
        let NodeValue::List(items) = &node.value else {
            if !node.is_refused() {
                let message = format!(
                    "a list of {of} is expected here, found {}",
                    node.description()
                );
                let suggestion = "put `- ` before each item, or `[ … ]` around them";
                self.problems.error(node.span.clone(), message, suggestion);
            }
            return &[];
        };
        if items.is_empty() {
            let message = format!("a list of {of} without any item");
            self.problems.error(
                node.span.clone(),
                message,
                "add one, or leave the field out",
            );
        }
        if items.len() > RULES_PER_LIST_MAX {
            let message = format!("a list of {of} has at most {RULES_PER_LIST_MAX} items");
            self.problems.error_only(node.span.clone(), message);
            return &[];
        }
        items
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: &Node,
        words: &[(&'static str, T)],
        later: &[&str],
    ) -> Option<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let expected = crate::expression::one_of(known.iter().copied());
        let text = match &node.value {
            NodeValue::Text(text) => text.as_str(),
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Int(_)
            | NodeValue::Double(_)
            | NodeValue::List(_)
            | NodeValue::Map(_)
            | NodeValue::Refused => {
                self.expected(node, &expected);
                return None;
            }
        };
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*found);
        }
        if later.contains(&text) {
            let message = format!("`{text}` is not available yet");
            self.problems
                .error(node.span.clone(), message, format!("available: {expected}"));
            return None;
        }
        let suggestion =
            crate::expression::nearest(text, known).map(|meant| format!("did you mean `{meant}`?"));
        self.expected_word(node, &expected, suggestion);
        None
    }

    fn expected_word(&mut self, node: &Node, expected: &str, suggestion: Option<String>) {
        let message = format!("{expected} is expected here, found {}", node.description());
        self.problems
            .error_with(node.span.clone(), message, suggestion);
    }
}

/// The nearest id of the right form.
fn id_suggestion(text: &str, error: &InvalidId) -> Option<String> {
    let InvalidId::Malformed { form, .. } = error else {
        return None;
    };
    if !form.starts_with("[a-z]") {
        return None;
    }
    let mut id: String = text
        .trim()
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '_' | '/') => c,
            _ => '_',
        })
        .collect();
    if !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        id.insert(0, 'x');
    }
    Some(format!("for example `{id}`"))
}
