//! Recognises conditions that YAML would misread without quotes, and writes them quoted.

use std::ops::Range;

/// The fields that take an expression (JOURNEYS section 1).
const EXPRESSION_FIELDS: [&str; 10] = [
    "where",
    "when",
    "key",
    "match_key",
    "only_if",
    "guard",
    "score",
    "at",
    "until",
    "to",
];

/// The text in quotes of YAML, in the most readable kind that holds it.
pub(crate) fn quoted(text: &str) -> String {
    if !text.contains(['"', '\\']) {
        format!("\"{text}\"")
    } else if !text.contains('\'') {
        format!("'{text}'")
    } else {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    }
}

/// The value that begins at `start`, as its author meant it: to the end of the line, or of the flow entry.
pub(crate) fn meant_value(text: &str, start: usize, is_in_flow: bool) -> &str {
    let rest = &text[start..];
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    let end = if is_in_flow {
        flow_value_end(line)
    } else {
        line.len()
    };
    line[..end].trim()
}

/// The end of a value inside `{ … }`: where the map closes or the next field begins.
fn flow_value_end(line: &str) -> usize {
    let mut depth = 0_u32;
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') if depth > 0 => depth -= 1,
            (None, ']' | '}') => return at,
            (None, ',') if depth == 0 && begins_field(&line[at + 1..]) => return at,
            (None, _) => {}
        }
    }
    line.len()
}

fn begins_field(text: &str) -> bool {
    let text = text.trim_start();
    let name_end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
        .unwrap_or(text.len());
    name_end > 0 && text[name_end..].starts_with(": ")
}

/// After a syntax error at `at`: the expression field on that line, quoted, and where its value lies.
pub(crate) fn quoted_field(text: &str, at: usize) -> Option<(String, Range<usize>)> {
    // The scanner may notice a missing quote only on the next line.
    let at = at.min(text.len());
    let line_start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[line_start..]
        .find('\n')
        .map_or(text.len(), |length| line_start + length);
    let line = &text[line_start..line_end];
    let (name, value_start) = last_expression_field(line)?;
    let start = line_start + value_start;
    let is_in_flow = line[..value_start].contains(['{', '[']);
    let value = meant_value(text, start, is_in_flow);
    if value.is_empty() || is_quoted(value) {
        return None;
    }
    Some((
        format!("{name}: {}", quoted(value)),
        start..start + value.len(),
    ))
}

fn is_quoted(value: &str) -> bool {
    ['"', '\''].into_iter().any(|quote| {
        let inner = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        inner.is_some_and(|inner| !inner.contains(quote))
    })
}

fn last_expression_field(line: &str) -> Option<(&'static str, usize)> {
    let found = |name: &'static str| {
        let field = format!("{name}: ");
        line.match_indices(&field)
            .filter(|(at, _)| {
                let before = line[..*at].chars().next_back();
                before.is_none_or(|c| matches!(c, ' ' | '{' | ',' | '\t'))
            })
            .map(|(at, _)| {
                let after = at + field.len();
                let blanks = line[after..].len() - line[after..].trim_start().len();
                (name, after + blanks)
            })
            .next()
    };
    EXPRESSION_FIELDS
        .into_iter()
        .filter_map(found)
        .min_by_key(|(_, at)| *at)
}
