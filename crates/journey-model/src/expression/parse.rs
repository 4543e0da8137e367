//! Source to syntax tree by the `cel` crate's parser, with problems placed in the source.

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, SourceInfo};
use cel::parser::{ParseError, Parser};

use super::limits::{PARSE_DEPTH_MAX, PROBLEMS_MAX, SOURCE_SIZE_BYTES_MAX};
use super::problem::ExpressionProblem;

/// How `has` is used, for messages.
pub(crate) const HAS_USAGE: &str =
    "`has` takes one path that ends in a field, such as `has(event.properties.value)`";
/// Bytes that are underlined where the whole source is at fault.
pub(crate) const UNDERLINE_SIZE_BYTES_MAX: usize = 80;

/// A syntax tree and where its nodes stand.
pub(crate) struct Parsed<'s> {
    pub(crate) root: IdedExpr,
    pub(crate) places: SourceInfo,
    pub(crate) source: &'s str,
}

pub(crate) fn parse(source: &str) -> Result<Parsed<'_>, Vec<ExpressionProblem>> {
    if source.len() > SOURCE_SIZE_BYTES_MAX {
        return Err(vec![ExpressionProblem {
            range: 0..char_start(source, UNDERLINE_SIZE_BYTES_MAX),
            message: format!(
                "the expression has {} bytes, at most {SOURCE_SIZE_BYTES_MAX} are allowed; move parts of it into `vars` with an `update` step",
                source.len()
            ),
            suggestion: None,
        }]);
    }
    if source.trim().is_empty() {
        return Err(vec![ExpressionProblem {
            range: 0..source.len(),
            message: "the expression is empty; empty text is written `''`".to_owned(),
            suggestion: Some("''".to_owned()),
        }]);
    }
    Parser::default()
        .max_recursion_depth(PARSE_DEPTH_MAX)
        .enable_optional_syntax(true)
        .parse_with_source_info(source)
        .map(|(root, places)| Parsed {
            root,
            places,
            source,
        })
        .map_err(|errors| syntax_problems(source, &errors.errors))
}

fn syntax_problems(source: &str, errors: &[ParseError]) -> Vec<ExpressionProblem> {
    let whole = |message: &str, suggestion| {
        vec![ExpressionProblem {
            range: 0..char_start(source, UNDERLINE_SIZE_BYTES_MAX),
            message: message.to_owned(),
            suggestion,
        }]
    };
    let is_too_deep = |error: &ParseError| {
        error.msg.contains("Recursion limit") || error.msg.contains("recovery attempt limit")
    };
    if errors.iter().any(|error| error.msg == "UNKNOWN") || errors.iter().any(is_too_deep) {
        let message =
            format!("the expression nests deeper than {PARSE_DEPTH_MAX} levels, or is none");
        return whole(&message, None);
    }
    if let Some(problem) = foreign_operator(source) {
        return vec![problem];
    }
    if is_prose(source) {
        let message = "this is no expression; literal text is quoted inside the YAML text";
        return whole(message, Some(quoted(source.trim())));
    }
    // Complaints about the parser's own tree follow from the slip that is reported beside them.
    let is_inner = |error: &&ParseError| {
        let starts = ["No `", "Incomplete `"];
        starts.iter().any(|start| error.msg.starts_with(start))
    };
    let (inner, outer): (Vec<&ParseError>, Vec<&ParseError>) = errors.iter().partition(is_inner);
    let told = if outer.is_empty() { inner } else { outer };
    let mut problems: Vec<ExpressionProblem> = Vec::new();
    for error in told {
        let problem = syntax_problem(source, error);
        // After a slip the parser often trips again over the same place.
        let is_repeated = problems
            .iter()
            .any(|known| known.range.end >= problem.range.start);
        if !is_repeated && problems.len() < PROBLEMS_MAX {
            problems.push(problem);
        }
    }
    problems
}

fn syntax_problem(source: &str, error: &ParseError) -> ExpressionProblem {
    let at = offset_of(source, error.pos);
    let mut range = at..token_end(source, at);
    let words = error
        .msg
        .strip_prefix("Syntax error: ")
        .unwrap_or(&error.msg);
    let message = if words.contains("'<EOF>'") && at >= source.trim_end().len() {
        "the expression ends too early".to_owned()
    } else if words.starts_with("token recognition error") {
        if source[at..].starts_with(['"', '\'']) {
            range.end = source.len();
            "the text has no closing quote".to_owned()
        } else {
            format!("`{}` means nothing here", &source[range.clone()])
        }
    } else if words.contains("has() macro") {
        HAS_USAGE.to_owned()
    } else if words == "invalid int literal" {
        "the number does not fit an int; with a fraction it is a double".to_owned()
    } else {
        // What the parser would have accepted is a long list of token names that helps nobody.
        let words = words.split(" expecting ").next().unwrap_or(words);
        format!("not a CEL expression: {words}")
    };
    ExpressionProblem {
        range,
        message,
        suggestion: None,
    }
}

/// Words in a row: text that somebody forgot to quote.
fn is_prose(source: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_end_matches([',', '.', '!', '?', ':', ';']);
        !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || c == '-')
    };
    source.trim().contains(' ') && source.split_whitespace().all(is_word)
}

/// Operators of other languages, which the parser reports as noise.
fn foreign_operator(source: &str) -> Option<ExpressionProblem> {
    const FOREIGN: [(&str, &str); 8] = [
        ("===", "=="),
        ("!==", "!="),
        ("<>", "!="),
        (" and ", " && "),
        (" or ", " || "),
        (" AND ", " && "),
        (" OR ", " || "),
        ("not ", "!"),
    ];
    let masked = mask_quoted(source);
    let found = FOREIGN.iter().find_map(|(wrong, right)| {
        let at = masked.find(wrong)?;
        let starts_word = *wrong != "not " || at == 0 || masked[..at].ends_with([' ', '(']);
        starts_word.then_some((at, *wrong, *right))
    });
    let (at, wrong, right) = match found {
        Some(found) => found,
        None => (single_equals(&masked)?, "=", "=="),
    };
    let blanks = wrong.len() - wrong.trim_start().len();
    let start = at + blanks;
    Some(ExpressionProblem {
        range: start..start + wrong.trim().len(),
        message: format!(
            "`{}` is no operator of CEL: write `{}`",
            wrong.trim(),
            right.trim()
        ),
        suggestion: Some(right.trim().to_owned()),
    })
}

fn single_equals(masked: &str) -> Option<usize> {
    let bytes = masked.as_bytes();
    (0..bytes.len()).find(|&at| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        bytes[at] == b'='
            && bytes.get(at + 1) != Some(&b'=')
            && !before.is_some_and(|byte| b"=!<>".contains(&byte))
    })
}

/// The source with everything inside quotes made blank, byte by byte, so that offsets stay.
fn mask_quoted(source: &str) -> String {
    let mut quote = None;
    let mut is_escaped = false;
    source
        .chars()
        .flat_map(|c| {
            let is_inside = quote.is_some();
            if is_escaped {
                is_escaped = false;
            } else if is_inside && c == '\\' {
                is_escaped = true;
            } else if quote == Some(c) {
                quote = None;
            } else if !is_inside && (c == '"' || c == '\'') {
                quote = Some(c);
            }
            let masked = if is_inside || !c.is_ascii() { ' ' } else { c };
            std::iter::repeat_n(masked, c.len_utf8())
        })
        .collect()
}

/// A CEL text literal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The byte of a (line, column) as the parser counts them: lines from 1, columns from 1 in characters.
fn offset_of(source: &str, (line, column): (isize, isize)) -> usize {
    let line_idx = usize::try_from(line - 1).unwrap_or(0);
    let column_idx = usize::try_from(column - 1).unwrap_or(0);
    let mut line_start = 0;
    for (idx, text) in source.split_inclusive('\n').enumerate() {
        if idx == line_idx {
            let within = text
                .char_indices()
                .nth(column_idx)
                .map_or(text.len(), |(at, _)| at);
            return line_start + within;
        }
        line_start += text.len();
    }
    source.len()
}

/// The nearest character boundary at or before a byte.
pub(crate) fn char_start(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Where the word or sign that starts at a byte ends.
fn token_end(source: &str, at: usize) -> usize {
    let rest = &source[at..];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let len = match rest.chars().next() {
        None => 0,
        Some(first) if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
        Some(first) => first.len_utf8(),
    };
    at + len
}

impl Parsed<'_> {
    /// The token that the parser placed a node at: an operator, the dot of a selection, the `(` of a call.
    fn token(&self, id: u64) -> Option<Range<usize>> {
        let (start, stop) = self.places.offset_for(id)?;
        let start = char_start(self.source, start as usize);
        // `stop` is the last byte of the token, so the next boundary ends it.
        let mut end = (stop as usize).saturating_add(1).min(self.source.len());
        while !self.source.is_char_boundary(end) {
            end += 1;
        }
        Some(start..end.max(start))
    }

    /// Where a node's own token stands.
    pub(crate) fn range(&self, id: u64) -> Range<usize> {
        self.token(id).unwrap_or(0..self.source.len())
    }

    /// Where the field of a selection stands: behind the dot.
    pub(crate) fn field_range(&self, id: u64, field: &str) -> Range<usize> {
        let dot = self.range(id);
        match self.source[dot.start..].find(field) {
            Some(at) => dot.start + at..dot.start + at + field.len(),
            None => dot,
        }
    }

    /// Where the name of a called function or macro stands: the word before the `(`.
    pub(crate) fn function_range(&self, id: u64) -> Range<usize> {
        let open = self.range(id);
        let before = self.source[..open.start].trim_end();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let start = before.len() - before.chars().rev().take_while(|c| is_word(*c)).count();
        if start < before.len() {
            start..before.len()
        } else {
            open
        }
    }

    /// Where a path or literal stands, from its first word to its last; for other expressions their own token.
    pub(crate) fn extent(&self, expr: &IdedExpr) -> Range<usize> {
        if let Expr::Select(select) = &expr.expr {
            let start = self.extent(&select.operand).start;
            let end = self.field_range(expr.id, &select.field).end;
            start.min(end)..end
        } else {
            self.range(expr.id)
        }
    }
}
