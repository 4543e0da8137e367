//! The fields of a map while they are read: each is taken once, and what nobody took is reported.

use std::ops::Range;

use crate::expression::{nearest, one_of};
use crate::problems::Problems;
use crate::yaml::{Entry, Node, NodeValue};

/// The fields of one map.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    /// What the map is, for messages: "step `wait`".
    what: String,
    span: Range<usize>,
    entries: Vec<Option<&'n Entry>>,
    known: Vec<&'static str>,
}

/// Words of other tools and the word of this language for the same thing.
const FOREIGN_WORDS: [(&str, &str); 12] = [
    ("on", "event"),
    ("trigger", "event"),
    ("if", "where"),
    ("condition", "where"),
    ("filter", "where"),
    ("goto", "next"),
    ("then", "next"),
    ("wait", "delay"),
    ("sleep", "delay"),
    ("send", "message"),
    ("switch", "split"),
    ("set", "update"),
];

impl<'n> Fields<'n> {
    /// The fields of a node that must be a map.
    pub(crate) fn of(
        node: &'n Node,
        what: impl Into<String>,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let what = what.into();
        match &node.value {
            NodeValue::Map(entries) => Some(Self {
                what,
                span: node.span.clone(),
                entries: entries.iter().map(Some).collect(),
                known: Vec::new(),
            }),
            NodeValue::Refused => None,
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Int(_)
            | NodeValue::Double(_)
            | NodeValue::Text(_)
            | NodeValue::List(_) => {
                let message = format!(
                    "{what} is a map of fields, found {found}",
                    found = node.description()
                );
                problems.error_only(node.span.clone(), message);
                None
            }
        }
    }

    /// What the map is, for messages.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Where the map stands.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// A field that may be there.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.take_entry(name).map(|entry| &entry.value)
    }

    /// A field that may be there, with its name's place.
    pub(crate) fn take_entry(&mut self, name: &'static str) -> Option<&'n Entry> {
        self.known.push(name);
        self.entries
            .iter_mut()
            .find(|slot| slot.is_some_and(|entry| entry.key.text == name))
            .and_then(Option::take)
    }

    /// A field that must be there.
    pub(crate) fn require(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() && !self.has_near_to(name) {
            let message = format!("{} lacks `{name}`", self.what);
            problems.error(self.span(), message, format!("add `{name}: …`"));
        }
        found
    }

    /// Whether there is a field of that name that nobody took yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut left = self.entries.iter().flatten();
        left.any(|entry| entry.key.text == name)
    }

    /// Refuses fields of the language that are not delivered yet, by name.
    pub(crate) fn refuse_later(&mut self, names: &[&'static str], problems: &mut Problems<'_>) {
        for slot in &mut self.entries {
            let Some(entry) = *slot else { continue };
            if names.contains(&entry.key.text.as_str()) {
                let message = format!("`{}` is not available yet", entry.key.text);
                problems.error_only(entry.key.span.clone(), message);
                *slot = None;
            }
        }
    }

    /// Reports every field that nobody took.
    pub(crate) fn finish(self, problems: &mut Problems<'_>) {
        for entry in self.entries.iter().flatten() {
            let name = entry.key.text.as_str();
            let message = format!("unknown field `{name}` in {}", self.what);
            let suggestion = match self.meant_by(name) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it may have {}", one_of(self.known.iter().copied())),
            };
            problems.error(entry.key.span.clone(), message, suggestion);
        }
    }

    /// The fields that nobody took, instead of reporting them.
    pub(crate) fn rest(self) -> Vec<&'n Entry> {
        self.entries.into_iter().flatten().collect()
    }

    fn meant_by(&self, name: &str) -> Option<&'static str> {
        let foreign = FOREIGN_WORDS
            .iter()
            .find(|(word, own)| *word == name && self.known.contains(own))
            .map(|(_, own)| *own);
        foreign.or_else(|| nearest(name, self.known.iter().copied()))
    }

    /// Whether an untaken field looks like a misspelling of `name`: then that is reported, not the lack.
    pub(crate) fn has_near_to(&self, name: &'static str) -> bool {
        self.entries.iter().flatten().any(|entry| {
            let text = entry.key.text.as_str();
            nearest(text, [name]).is_some() || FOREIGN_WORDS.contains(&(text, name))
        })
    }
}
