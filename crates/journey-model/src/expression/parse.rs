//! Source to syntax tree by the `cel` crate's parser, with problems placed in the source.

use std::ops::Range;

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::{ParseError, Parser};

use super::limits::{PARSE_DEPTH_MAX, PROBLEMS_MAX, SOURCE_SIZE_BYTES_MAX};
use super::problem::ExpressionProblem;

/// A syntax tree and where its nodes stand.
pub(crate) struct Parsed<'s> {
    pub(crate) root: IdedExpr,
    pub(crate) places: SourceInfo,
    pub(crate) source: &'s str,
}

pub(crate) fn parse(source: &str) -> Result<Parsed<'_>, Vec<ExpressionProblem>> {
    if source.len() > SOURCE_SIZE_BYTES_MAX {
        return Err(vec![ExpressionProblem {
            range: 0..char_start(source, SOURCE_SIZE_BYTES_MAX.min(80)),
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
        .map_err(|errors| {
            let mut problems: Vec<ExpressionProblem> = Vec::new();
            for error in errors.errors {
                let problem = syntax_problem(source, &error);
                // After a slip the parser often trips again over the same place: once is enough.
                let is_repeated = problems.iter().any(|known| known.range == problem.range);
                if !is_repeated && problems.len() < PROBLEMS_MAX {
                    problems.push(problem);
                }
            }
            problems
        })
}

fn syntax_problem(source: &str, error: &ParseError) -> ExpressionProblem {
    if let Some(problem) = foreign_operator(source) {
        return problem;
    }
    let at = offset_of(source, error.pos);
    let range = at..token_end(source, at);
    if error.msg.contains("Recursion limit") || error.msg == "UNKNOWN" {
        return ExpressionProblem {
            range: 0..source.len(),
            message: format!("the expression nests deeper than {PARSE_DEPTH_MAX} levels"),
            suggestion: None,
        };
    }
    let words = error
        .msg
        .strip_prefix("Syntax error: ")
        .unwrap_or(&error.msg);
    if words.contains("'<EOF>'") && at >= source.trim_end().len() {
        return ExpressionProblem {
            range,
            message: "the expression ends too early".to_owned(),
            suggestion: None,
        };
    }
    let is_prose = source
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, ' ' | ',' | '.' | '!' | '?' | '_' | '-'))
        && source.trim().contains(' ');
    if is_prose {
        return ExpressionProblem {
            range: 0..source.len(),
            message: "this is no expression; literal text is quoted inside the YAML text"
                .to_owned(),
            suggestion: Some(quoted(source.trim())),
        };
    }
    // What the parser would have accepted is a long list of token names that helps nobody.
    let words = words.split(" expecting ").next().unwrap_or(words);
    ExpressionProblem {
        range,
        message: format!("not a CEL expression: {words}"),
        suggestion: None,
    }
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

    /// Where the name of a called function stands: before the `(`.
    pub(crate) fn function_range(&self, id: u64, function: &str) -> Range<usize> {
        let open = self.range(id);
        match self.source[..open.start].rfind(function) {
            Some(at) => at..at + function.len(),
            None => open,
        }
    }
}
