//! Functions and methods: which there are, how they are called, and what is checked of them at publish.

use cel::common::ast::{CallExpr, Expr};
use journey_types::{TimeSpan, Timestamp};
use regex::RegexBuilder;

use super::Lowering;
use super::names::node_text;
use crate::expression::limits::PATTERN_SIZE_BYTES_MAX;
use crate::expression::node::{Function, Node, TimePart};
use crate::expression::parse::HAS_USAGE;
use crate::expression::problem::nearest;
use crate::expression::site::Root;

/// How a function is called, and with how many arguments beside its receiver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Global,
    Method,
    Both,
}

struct Signature {
    name: &'static str,
    function: Function,
    style: Style,
    /// Smallest and largest number of arguments, the receiver counted.
    n_arguments: (usize, usize),
}

const fn global(name: &'static str, function: Function) -> Signature {
    Signature {
        name,
        function,
        style: Style::Global,
        n_arguments: (1, 1),
    }
}

const fn method(name: &'static str, function: Function, n_arguments: usize) -> Signature {
    Signature {
        name,
        function,
        style: Style::Method,
        n_arguments: (n_arguments, n_arguments),
    }
}

const fn part(name: &'static str, part: TimePart) -> Signature {
    Signature {
        name,
        function: Function::TimePart(part),
        style: Style::Method,
        n_arguments: (1, 2),
    }
}

const SIGNATURES: [Signature; 27] = [
    Signature {
        name: "size",
        function: Function::Size,
        style: Style::Both,
        n_arguments: (1, 1),
    },
    method("contains", Function::Contains, 2),
    method("startsWith", Function::StartsWith, 2),
    method("endsWith", Function::EndsWith, 2),
    method("lowerAscii", Function::LowerAscii, 1),
    method("upperAscii", Function::UpperAscii, 1),
    method("trim", Function::Trim, 1),
    global("int", Function::Int),
    global("double", Function::Double),
    global("string", Function::Text),
    global("bool", Function::Bool),
    global("timestamp", Function::Timestamp),
    global("span", Function::Span),
    method("hasValue", Function::HasValue, 1),
    method("value", Function::Value, 1),
    method("or", Function::Or, 2),
    method("orValue", Function::OrValue, 2),
    part("getFullYear", TimePart::FullYear),
    part("getMonth", TimePart::Month),
    part("getDate", TimePart::Date),
    part("getDayOfMonth", TimePart::DayOfMonth),
    part("getDayOfWeek", TimePart::DayOfWeek),
    part("getDayOfYear", TimePart::DayOfYear),
    part("getHours", TimePart::Hours),
    part("getMinutes", TimePart::Minutes),
    part("getSeconds", TimePart::Seconds),
    part("getMilliseconds", TimePart::Milliseconds),
];

/// Macros, for suggestions only.
const MACROS: [&str; 5] = ["all", "exists", "exists_one", "map", "filter"];

impl Lowering<'_> {
    /// Any call that is no operator.
    pub(super) fn function(&mut self, id: u64, call: &CallExpr) -> Option<Node> {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target
            && let Expr::Ident(target_name) = &target.expr
        {
            match Root::of(target_name) {
                Some(root @ (Root::History | Root::Journeys)) => {
                    return self.root_call(root, target.id, id, call);
                }
                _ if target_name == "optional" => return self.optional(id, call),
                _ => {}
            }
        }
        let range = self.parsed.function_range(id);
        if name == "matches" {
            return self.matches(id, call);
        }
        if name == "has" {
            return self.refuse(range, HAS_USAGE);
        }
        if name == "duration" && call.target.is_none() {
            return self.duration(id, call);
        }
        let Some(signature) = SIGNATURES.iter().find(|signature| signature.name == name) else {
            // What stands inside is looked at all the same, so that every problem shows at once.
            if !MACROS.contains(&name) {
                for part in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                    self.lower(part);
                }
            }
            return self.unknown_function(id, name);
        };
        let fits_style = match signature.style {
            Style::Global => call.target.is_none(),
            Style::Method => call.target.is_some(),
            Style::Both => true,
        };
        let n_arguments = call.args.len() + usize::from(call.target.is_some());
        let (n_min, n_max) = signature.n_arguments;
        if !fits_style || !(n_min..=n_max).contains(&n_arguments) {
            return self.refuse(range, usage(signature));
        }
        let arguments: Vec<Option<Node>> = call
            .target
            .iter()
            .map(AsRef::as_ref)
            .chain(&call.args)
            .map(|argument| self.lower(argument))
            .collect();
        let arguments = arguments.into_iter().collect::<Option<Vec<Node>>>()?;
        let literal_range = call
            .args
            .first()
            .map_or(range, |argument| self.parsed.extent(argument));
        match signature.function {
            Function::Timestamp => self.timestamp(literal_range, arguments),
            Function::Span => self.span(literal_range, arguments),
            function => Some(Node::Call {
                function,
                arguments,
            }),
        }
    }

    fn timestamp(&mut self, range: std::ops::Range<usize>, arguments: Vec<Node>) -> Option<Node> {
        if let Some(text) = arguments.first().and_then(node_text) {
            return match Timestamp::parse_unix_ms(text) {
                Some(unix_ms) => Some(Node::Time(unix_ms)),
                None => self.refuse(
                    range,
                    format!(
                        "`{text}` is no time: write it as RFC 3339, such as `2026-01-05T09:00:00Z`"
                    ),
                ),
            };
        }
        Some(Node::Call {
            function: Function::Timestamp,
            arguments,
        })
    }

    fn span(&mut self, range: std::ops::Range<usize>, arguments: Vec<Node>) -> Option<Node> {
        if let Some(text) = arguments.first().and_then(node_text) {
            return match TimeSpan::parse(text) {
                Ok(span) => Some(Node::Span(span.ms())),
                Err(reason) => self.refuse(range, reason),
            };
        }
        Some(Node::Call {
            function: Function::Span,
            arguments,
        })
    }

    /// CEL's own durations know no days and no weeks, so there is one way to write a span, and it is ours.
    fn duration(&mut self, id: u64, call: &CallExpr) -> Option<Node> {
        let range = self.parsed.function_range(id);
        let as_written = call
            .args
            .first()
            .and_then(|argument| self.literal_text(argument));
        let example = match as_written {
            Some(text) if TimeSpan::parse(text).is_ok() => format!("span(\"{text}\")"),
            _ => "span(\"2d\")".to_owned(),
        };
        self.report(
            range,
            format!("`duration` is not available: a span of time is written `{example}`"),
            Some("span".to_owned()),
        );
        None
    }

    /// `matches` takes a literal pattern: it is compiled once and its size is bounded.
    fn matches(&mut self, id: u64, call: &CallExpr) -> Option<Node> {
        let range = self.parsed.function_range(id);
        let (text, pattern) = match (&call.target, call.args.as_slice()) {
            (Some(target), [pattern]) => (target.as_ref(), pattern),
            (None, [text, pattern]) => (text, pattern),
            _ => return self.refuse(range, "it is called as `text.matches('pattern')`"),
        };
        let text = self.lower(text);
        let Some(source) = self.literal_text(pattern) else {
            return self.refuse(
                self.parsed.range(pattern.id),
                "the pattern of `matches` must be literal text",
            );
        };
        match RegexBuilder::new(source)
            .size_limit(PATTERN_SIZE_BYTES_MAX)
            .build()
        {
            Ok(pattern) => Some(Node::Matches {
                text: Box::new(text?),
                pattern,
            }),
            Err(error) => {
                let words = error.to_string();
                let last = words
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned();
                self.refuse(
                    self.parsed.range(pattern.id),
                    format!("the pattern does not compile: {last}"),
                )
            }
        }
    }

    /// `optional.of(x)`, `optional.none()`.
    fn optional(&mut self, id: u64, call: &CallExpr) -> Option<Node> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("of", [value]) => {
                let value = self.lower(value)?;
                Some(Node::Call {
                    function: Function::OptionalOf,
                    arguments: vec![value],
                })
            }
            ("none", []) => Some(Node::Call {
                function: Function::OptionalNone,
                arguments: Vec::new(),
            }),
            _ => {
                let range = self.parsed.function_range(id);
                self.refuse(
                    range,
                    "there are `optional.of(value)` and `optional.none()`",
                )
            }
        }
    }

    fn unknown_function(&mut self, id: u64, name: &str) -> Option<Node> {
        // Words of other languages for what CEL has under another name.
        const FOREIGN: [(&str, &str); 14] = [
            ("len", "size"),
            ("length", "size"),
            ("count", "size"),
            ("lower", "lowerAscii"),
            ("toLower", "lowerAscii"),
            ("upper", "upperAscii"),
            ("toUpper", "upperAscii"),
            ("any", "exists"),
            ("str", "string"),
            ("float", "double"),
            ("time", "timestamp"),
            ("date", "timestamp"),
            ("includes", "contains"),
            ("days", "span"),
        ];
        let range = self.parsed.function_range(id);
        let name = name.trim_start_matches('.');
        let foreign = FOREIGN
            .iter()
            .find(|(word, _)| *word == name)
            .map(|(_, ours)| *ours);
        let known = SIGNATURES
            .iter()
            .map(|signature| signature.name)
            .chain(MACROS)
            .chain(["matches"]);
        let suggestion = foreign.or_else(|| nearest(name, known)).map(str::to_owned);
        let message = if MACROS.contains(&name) {
            format!(
                "`{name}` is called on a list with a name and an expression, such as `items.{name}(item, item > 1)`"
            )
        } else {
            format!("unknown function `{name}`")
        };
        let suggestion = if MACROS.contains(&name) {
            None
        } else {
            suggestion
        };
        self.report(range, message, suggestion);
        None
    }
}

fn usage(signature: &Signature) -> String {
    let name = signature.name;
    match (signature.style, signature.n_arguments) {
        (Style::Global | Style::Both, _) => format!("it is called as `{name}(value)`"),
        (Style::Method, (1, 1)) => format!("it is called as `value.{name}()`"),
        (Style::Method, (1, _)) => {
            format!("it is called as `time.{name}()` or `time.{name}('Europe/London')`")
        }
        (Style::Method, _) => format!("it is called as `value.{name}(other)`"),
    }
}
