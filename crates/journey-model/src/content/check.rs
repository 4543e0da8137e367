//! What is checked of a template when it is published.

use std::collections::BTreeSet;
use std::ops::Range;

use journey_types::Channel;

use super::filters::{FILTERS, TESTS, environment};
use super::limits::{PROBLEMS_MAX, TAG_SIZE_BYTES_MAX, TEMPLATE_SIZE_BYTES_MAX};
use super::needs::{needs_entry, needs_input};
use super::tags::{Tag, Token, TokenKind, tags};
use super::values::Reads;
use crate::expression::{nearest, one_of};

/// One problem of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentProblem {
    /// The variant's channel.
    pub channel: Channel,
    /// The variant's place among those of its channel, 0 for the first listed.
    pub position: usize,
    /// The field of the variant.
    pub field: String,
    /// Bytes of the template to underline; on character boundaries.
    pub range: Range<usize>,
    /// The line of the template it is in, from 1.
    pub line: usize,
    /// For people: what is wrong, and what to do where that is known. No full stop.
    pub message: String,
    /// What to write instead of the text at `range`.
    pub suggestion: Option<String>,
}

/// What is known where content is published.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContentSite<'a> {
    /// Traits that a schema declares. `None`: any.
    pub traits: Option<&'a BTreeSet<String>>,
}

/// A problem before it is known whose it is.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];
/// Words that stand before a parenthesis without calling anything.
const OPERATOR_WORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];
const ROOTS: [(&str, &[&str]); 7] = [
    ("customer", &["id", "traits", "locale", "zone", "lifecycle"]),
    (
        "entry",
        &[
            "name",
            "id",
            "source",
            "customer_id",
            "occurred_at",
            "channel",
            "device",
            "properties",
        ],
    ),
    ("input", &[]),
    ("instance", &["key", "step", "entered_at"]),
    ("vars", &[]),
    ("local", &["hour", "minute", "weekday", "date"]),
    ("now", &[]),
];

/// Checks one template, and notes what it reads.
pub(super) fn check(
    name: &str,
    source: &str,
    site: &ContentSite<'_>,
    reads: &mut Reads,
) -> Vec<Finding> {
    if source.len() > TEMPLATE_SIZE_BYTES_MAX {
        let size_bytes = source.len();
        let message = format!(
            "the template has {size_bytes} bytes, at most {TEMPLATE_SIZE_BYTES_MAX} are allowed"
        );
        return vec![finding(0..0, message)];
    }
    let tags = tags(source);
    let mut findings: Vec<Finding> = tags.iter().flat_map(check_tag).collect();
    let environment = environment();
    match environment.template_from_named_str(name, source) {
        // A refused statement often is a fault of syntax too: it is told once.
        Err(_) if !findings.is_empty() => {}
        Err(error) => findings.push(syntax_finding(source, &error)),
        Ok(template) => {
            let mut paths: Vec<String> = template.undeclared_variables(true).into_iter().collect();
            paths.sort();
            let reads_root = |root: &str| {
                paths
                    .iter()
                    .any(|path| path.split('.').next() == Some(root))
            };
            reads.needs.entry |= reads_root("entry") && needs_entry(&tags);
            reads.needs.input |= reads_root("input") && needs_input(&tags);
            for path in paths {
                findings.extend(check_path(&path, &tags, site, reads));
            }
        }
    }
    findings.sort_by_key(|finding| finding.range.start);
    findings.truncate(PROBLEMS_MAX);
    findings
}

fn finding(range: Range<usize>, message: impl Into<String>) -> Finding {
    Finding {
        range,
        message: message.into(),
        suggestion: None,
    }
}

fn syntax_finding(source: &str, error: &minijinja::Error) -> Finding {
    let range = error
        .range()
        .filter(|range| source.get(range.clone()).is_some());
    let range = range.unwrap_or_else(|| line_range(source, error.line().unwrap_or(1)));
    let words = error.detail().unwrap_or("it cannot be read");
    finding(range, format!("not a template: {words}"))
}

fn line_range(source: &str, line: usize) -> Range<usize> {
    let mut start = 0;
    for (line_idx, text) in source.split_inclusive('\n').enumerate() {
        if line_idx + 1 == line {
            return start..start + text.trim_end().len();
        }
        start += text.len();
    }
    source.len()..source.len()
}

/// What a tag may hold beside names: statements, filters, tests, no calls, nothing that grows text by repetition.
fn check_tag(tag: &Tag<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if tag.range.len() > TAG_SIZE_BYTES_MAX {
        let start = tag.range.start;
        let message = format!("a tag may have at most {TAG_SIZE_BYTES_MAX} bytes");
        findings.push(finding(start..start + 2, message));
        return findings;
    }
    // `{{-` and `{%-` trim the blanks before the tag.
    let trims = usize::from(
        tag.tokens
            .first()
            .is_some_and(|token| matches!(token.text, "-" | "+")),
    );
    let tokens = &tag.tokens[trims..];
    let statement = if tag.is_statement {
        tokens.first()
    } else {
        None
    };
    if let Some(statement) = statement
        && !STATEMENTS.contains(&statement.text)
    {
        findings.push(Finding {
            range: statement.range(),
            message: format!(
                "the statement `{}` is not available in content: there are `if` and `for`; what must be computed is computed by an `update` step",
                statement.text
            ),
            suggestion: nearest(statement.text, STATEMENTS).map(str::to_owned),
        });
        return findings;
    }
    let is_for = statement.is_some_and(|statement| statement.text == "for");
    for (idx, token) in tokens.iter().enumerate() {
        let before = idx.checked_sub(1).map(|before| &tokens[before]);
        findings.extend(check_token(token, before, tokens.get(idx + 1), is_for));
    }
    findings
}

fn check_token(
    token: &Token<'_>,
    before: Option<&Token<'_>>,
    after: Option<&Token<'_>>,
    is_for: bool,
) -> Option<Finding> {
    let before = before.map(|token| token.text);
    let after = after.map(|token| token.text);
    match (token.kind, token.text) {
        (TokenKind::Word, name) if before == Some("|") => {
            let suggestion = nearest(name, FILTERS).map(str::to_owned);
            // The list is long: it is told where no name is near.
            let message = match &suggestion {
                Some(_) => format!("unknown filter `{name}`"),
                None => format!("unknown filter `{name}`: there are {}", one_of(FILTERS)),
            };
            (!FILTERS.contains(&name)).then(|| Finding {
                range: token.range(),
                message,
                suggestion,
            })
        }
        (TokenKind::Word, name) if before == Some("is") && name != "not" => {
            let suggestion = nearest(name, TESTS).map(str::to_owned);
            let message = format!("unknown test `{name}`: there are {}", one_of(TESTS));
            (!TESTS.contains(&name)).then(|| Finding {
                range: token.range(),
                message,
                suggestion,
            })
        }
        (TokenKind::Word, "recursive") if is_for => Some(finding(
            token.range(),
            "a `for` cannot be recursive in content",
        )),
        (TokenKind::Word, name) if after == Some("(") && !OPERATOR_WORDS.contains(&name) => {
            Some(finding(
                token.range(),
                format!(
                    "`{name}(…)`: nothing can be called in content, filters are written `value | {name}`"
                ),
            ))
        }
        // Repetition would make a text of any length out of a number.
        (TokenKind::Sign, "*") => Some(finding(
            token.range(),
            "`*` is not available in content: compute it in an `update` step and read it from `vars`",
        )),
        // A `for` over texts joined before would double them with every level.
        (TokenKind::Sign, "~" | "+") if is_for => Some(finding(
            token.range(),
            format!(
                "`{}` is not available in a `for`: walk a path such as `vars.items`",
                token.text
            ),
        )),
        _ => None,
    }
}

/// A variable that the template reads and does not declare itself: `customer.traits.first_name`.
fn check_path(
    path: &str,
    tags: &[Tag<'_>],
    site: &ContentSite<'_>,
    reads: &mut Reads,
) -> Option<Finding> {
    let mut parts = path.split('.');
    let root = parts.next().unwrap_or_default();
    let place = |parts: &[&str]| place_of(tags, parts);
    let Some((_, fields)) = ROOTS.iter().find(|(known, _)| *known == root) else {
        return Some(unknown_root(root, place(&[root])));
    };
    let field = parts.next();
    match root {
        "entry" => reads.entry = true,
        "input" => reads.input = true,
        "instance" => reads.instance = true,
        "vars" => reads.vars = true,
        "local" => reads.local = true,
        "customer" => {
            reads.customer = true;
            let name = match field {
                None => Some("*"),
                Some("traits") => Some(parts.next().unwrap_or("*")),
                Some(_) => None,
            };
            if let (Some(name), Some(declared)) = (name, site.traits)
                && name != "*"
                && !declared.contains(name)
            {
                return Some(Finding {
                    range: place(&[root, "traits", name]),
                    message: format!("the schema declares no `{name}` for a customer"),
                    suggestion: nearest(name, declared.iter().map(String::as_str))
                        .map(str::to_owned),
                });
            }
            reads.traits.extend(name.map(str::to_owned));
        }
        _ => {}
    }
    let field = field?;
    if root == "customer" && ["segments", "interests", "consent"].contains(&field) {
        return Some(finding(
            place(&[root, field]),
            format!("`customer.{field}` is not available yet"),
        ));
    }
    if ["vars", "input"].contains(&root) || fields.contains(&field) {
        return None;
    }
    let near = nearest(field, fields.iter().copied()).map(str::to_owned);
    let stray = match root {
        "customer" => Some(format!("traits.{field}")),
        "entry" => Some(format!("properties.{field}")),
        _ => None,
    };
    let has = if fields.is_empty() {
        "it is a time".to_owned()
    } else {
        format!("it has {}", one_of(fields.iter().copied()))
    };
    Some(Finding {
        range: place(&[root, field]),
        message: format!("`{root}` has no field `{field}`: {has}"),
        suggestion: near.or(stray),
    })
}

fn unknown_root(root: &str, range: Range<usize>) -> Finding {
    let known = ROOTS.map(|(name, _)| name);
    match root {
        "event" => Finding {
            range,
            message:
                "there is no event at hand when a message is granted: `entry` is the entering event"
                    .to_owned(),
            suggestion: Some("entry".to_owned()),
        },
        "history" | "journeys" => finding(
            range,
            format!(
                "`{root}` is not available in content: write what you need into `vars` with an `update` step"
            ),
        ),
        "context" | "emotion" | "struggle" | "intent" | "prediction" => {
            finding(range, format!("`{root}` is not available yet"))
        }
        _ => Finding {
            range,
            message: format!("unknown variable `{root}`: there are {}", one_of(known)),
            suggestion: nearest(root, known).map(str::to_owned),
        },
    }
}

/// Where the last part of a path stands: the first place where its parts follow each other.
fn place_of(tags: &[Tag<'_>], parts: &[&str]) -> Range<usize> {
    for tag in tags {
        for start in 0..tag.tokens.len() {
            let follows_dot = start > 0 && tag.tokens[start - 1].text == ".";
            let found = parts.iter().enumerate().all(|(part_idx, part)| {
                tag.tokens
                    .get(start + part_idx * 2)
                    .is_some_and(|token| token.text == *part)
            });
            if found && !follows_dot {
                return tag.tokens[start + (parts.len() - 1) * 2].range();
            }
        }
    }
    0..0
}
