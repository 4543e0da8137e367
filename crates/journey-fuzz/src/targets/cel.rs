//! Expressions as authors write them.

use journey_model::{Entrances, Expression, Position, Site};

use crate::target::{Target, outcome_of, shape_of};

/// The source of an expression.
#[derive(Debug)]
pub(crate) struct Cel;

const DICTIONARY: &[&str] = &[
    "event",
    "event.properties.",
    "entry.",
    "instance.",
    "vars.",
    "customer.traits.",
    "customer.id",
    "now",
    "local",
    "history.count('",
    "history.sum(",
    "journeys.",
    "has(",
    "span('7d')",
    "size(",
    "matches(",
    "in",
    "&&",
    "||",
    "!",
    "? ",
    " : ",
    "==",
    "!=",
    "<=",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "'",
    "\"",
    "r'",
    "b'",
    "0x",
    "1e308",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615u",
    "true",
    "null",
    ".map(x, ",
    ".exists(x, ",
    ".all(x, ",
    "\\u{",
    "//",
];

impl Target for Cel {
    fn name(&self) -> &'static str {
        "cel"
    }

    fn about(&self) -> &'static str {
        "sources of expressions"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        [
            "event.properties.total > 100 && customer.traits.tier == 'gold'",
            "history.count('purchase', span('30d')) >= 3",
            "has(vars.offer) ? vars.offer.price * 2 : 0",
            "customer.traits.tags.exists(t, t.startsWith('vip'))",
            "event.name in ['a', 'b'] || !(now < local.at)",
            "[1, 2, 3].map(x, x * x)[1] + size('text')",
        ]
        .map(|source| source.as_bytes().to_vec())
        .to_vec()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        DICTIONARY
    }

    fn run(&self, input: &[u8]) -> u64 {
        let source = String::from_utf8_lossy(input);
        let mut outcome = Vec::new();
        for position in [
            Position::Step,
            Position::EntryWhere,
            Position::EnrollWhere,
            Position::Key,
            Position::ExitWhen,
        ] {
            let site = Site {
                position,
                entrances: Entrances::ANY,
                journeys: None,
                event_properties: None,
                entry_properties: None,
                traits: None,
            };
            match Expression::compile(&source, &site) {
                Ok(compiled) => {
                    assert_eq!(compiled.source(), source);
                    outcome.push(format!("{:?}", compiled.dependencies()).len().to_string());
                }
                Err(problems) => {
                    assert!(!problems.is_empty(), "a refusal without a reason");
                    outcome.extend(problems.iter().map(|problem| {
                        let range = problem.range.clone();
                        assert!(
                            source.get(range).is_some(),
                            "a problem outside of the source"
                        );
                        shape_of(&problem.message)
                    }));
                }
            }
        }
        outcome_of(&outcome)
    }
}
