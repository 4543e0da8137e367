//! What the `history` calls of an expression need counted, and the stable ids of those counts.

use journey_types::{AggregateId, EventName, TimeSpan};
use sha2::{Digest, Sha256};

use super::Expression;

/// One thing that must be counted for an expression: the union over all expressions becomes the catalog's aggregates.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateNeed {
    /// Stable hash of event, filter and property.
    pub id: AggregateId,
    /// The event that feeds it.
    pub event: EventName,
    /// Feeds only events for which this holds; sees `event` alone.
    pub filter: Option<Expression>,
    /// The property that is summed, as a path `a.b`; `None` where only counts and instants are kept.
    pub property: Option<String>,
    /// The longest window this expression reads; `None`: totals only.
    pub window: Option<TimeSpan>,
    /// For people: `count(purchase)`, `sum(purchase, value)`.
    pub label: String,
}

/// The id of an aggregate. It names counts in customers' stored state: its form never changes.
pub(crate) fn aggregate_id(
    event: &EventName,
    filter: Option<&str>,
    property: Option<&str>,
) -> AggregateId {
    let mut hash = Sha256::new();
    hash.update(b"journeyd aggregate 1\0");
    for part in [Some(event.as_str()), filter, property] {
        // Lengths keep ("ab", "c") and ("a", "bc") apart; the flag keeps absent and empty apart.
        let text = part.unwrap_or_default();
        hash.update([u8::from(part.is_some())]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let digest = hash.finalize();
    let first: [u8; 8] = digest[..8].try_into().expect("a SHA-256 has 32 bytes");
    AggregateId::new(u64::from_be_bytes(first))
}

/// A source without the blanks and comments that do not change its meaning, so that two spellings share one count.
pub(crate) fn canonical_source(source: &str) -> String {
    // Raw and triple-quoted text has quoting rules of its own: it stays as it is, and shares a count only verbatim.
    let has_rare_quotes = ["'''", "\"\"\"", "r'", "R'", "r\"", "R\""];
    if has_rare_quotes.iter().any(|quote| source.contains(quote)) {
        return source.trim().to_owned();
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut canonical = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    let mut blank_pending = false;
    while let Some(c) = chars.next() {
        if c == '/' && chars.peek() == Some(&'/') {
            while chars.next_if(|c| *c != '\n').is_some() {}
            blank_pending = true;
        } else if c.is_whitespace() {
            blank_pending = true;
        } else {
            let joins_words = canonical.chars().next_back().is_some_and(is_word) && is_word(c);
            if blank_pending && joins_words {
                canonical.push(' ');
            }
            blank_pending = false;
            canonical.push(c);
            if c == '"' || c == '\'' {
                let mut is_escaped = false;
                for inner in chars.by_ref() {
                    canonical.push(inner);
                    if is_escaped {
                        is_escaped = false;
                    } else if inner == '\\' {
                        is_escaped = true;
                    } else if inner == c {
                        break;
                    }
                }
            }
        }
    }
    canonical
}
