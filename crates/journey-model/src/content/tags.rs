//! The tags of a template cut into words and signs, for checks that need to know where things stand.
//!
//! The template itself is parsed by MiniJinja; this only finds names, filters and statements in it.

use std::ops::Range;

/// A `{{ … }}` or `{% … %}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'s> {
    /// From the opening to the closing brace.
    pub(super) range: Range<usize>,
    /// `{% … %}`.
    pub(super) is_statement: bool,
    pub(super) tokens: Vec<Token<'s>>,
}

/// A word, a sign or a literal, with where it stands in the template.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    pub(super) text: &'s str,
    pub(super) start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Sign,
    /// Quoted text or a number.
    Literal,
}

impl Token<'_> {
    pub(super) const fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

/// The tags of a template in order; comments and an unfinished tag are left out.
pub(super) fn tags(source: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find('{') {
        let start = at + found;
        let (close, is_statement) = match source.as_bytes().get(start + 1) {
            Some(b'{') => ("}}", false),
            Some(b'%') => ("%}", true),
            Some(b'#') => {
                let Some(end) = source[start..].find("#}") else {
                    break;
                };
                at = start + end + 2;
                continue;
            }
            _ => {
                at = start + 1;
                continue;
            }
        };
        let Some((tokens, end)) = tokens(source, start + 2, close) else {
            break;
        };
        tags.push(Tag {
            range: start..end,
            is_statement,
            tokens,
        });
        at = end;
    }
    tags
}

/// The tokens from a byte up to the closing sign, and where that ends.
fn tokens<'s>(source: &'s str, from: usize, close: &str) -> Option<(Vec<Token<'s>>, usize)> {
    let mut tokens = Vec::new();
    let mut at = from;
    let mut n_open_braces = 0_usize;
    loop {
        let rest = &source[at..];
        let first = rest.chars().next()?;
        // A map literal ends in `}` too; only outside of it do two of them close the tag.
        if rest.starts_with(close) && n_open_braces == 0 {
            return Some((tokens, at + close.len()));
        }
        let (kind, len) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '"' || first == '\'' {
            (TokenKind::Literal, quoted_len(rest, first)?)
        } else if first.is_ascii_digit() {
            (TokenKind::Literal, run_len(rest))
        } else if first.is_alphabetic() || first == '_' {
            (TokenKind::Word, run_len(rest))
        } else {
            (TokenKind::Sign, first.len_utf8())
        };
        match first {
            '{' => n_open_braces += 1,
            '}' => n_open_braces = n_open_braces.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token {
            kind,
            text: &rest[..len],
            start: at,
        });
        at += len;
    }
}

fn run_len(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len())
}

fn quoted_len(rest: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}
