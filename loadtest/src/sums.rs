//! Sums that must hold at the end of a run: equations over named figures, such as
//! `counts.advance.left = accepted.advanced`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Named whole numbers that a run found.
pub(crate) type Figures = BTreeMap<String, i128>;

/// One equation: both sides are figures and numbers joined by `+` and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    text: String,
    left: Vec<Term>,
    relation: Relation,
    right: Vec<Term>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    AtMost,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    sign: i128,
    value: TermValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TermValue {
    Number(i128),
    Figure(String),
}

/// What became of a sum.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) sum: String,
    pub(crate) left: i64,
    pub(crate) right: i64,
    pub(crate) holds: bool,
    /// Figures that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
}

impl Sum {
    /// Reads an equation.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let relations = [
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("=", Relation::Equal),
        ];
        let (left, relation, right) = relations
            .iter()
            .find_map(|(sign, relation)| {
                let (left, right) = text.split_once(sign)?;
                Some((left, *relation, right))
            })
            .ok_or("holds neither `=`, `<=` nor `>=`")?;
        Ok(Self {
            text: text.to_owned(),
            left: terms(left)?,
            relation,
            right: terms(right)?,
        })
    }

    /// Computes both sides. A figure that is not there counts as 0 and makes the sum fail.
    pub(crate) fn prove(&self, figures: &Figures) -> Proof {
        let mut unknown = Vec::new();
        let mut add = |terms: &[Term]| -> i128 {
            terms
                .iter()
                .map(|term| {
                    let value = match &term.value {
                        TermValue::Number(n) => *n,
                        TermValue::Figure(name) => {
                            figures.get(name).copied().unwrap_or_else(|| {
                                unknown.push(name.clone());
                                0
                            })
                        }
                    };
                    term.sign * value
                })
                .sum()
        };
        let (left, right) = (add(&self.left), add(&self.right));
        let holds = match self.relation {
            Relation::Equal => left == right,
            Relation::AtMost => left <= right,
            Relation::AtLeast => left >= right,
        };
        let narrow = |n: i128| i64::try_from(n).unwrap_or(i64::MAX);
        Proof {
            sum: self.text.clone(),
            left: narrow(left),
            right: narrow(right),
            holds: holds && unknown.is_empty(),
            unknown,
        }
    }
}

/// Terms of one side, separated by blanks: `a.b + 2 - c`.
fn terms(text: &str) -> Result<Vec<Term>, String> {
    let mut terms = Vec::new();
    let mut sign = Some(1);
    for word in text.split_whitespace() {
        match (word, sign) {
            ("+", None) => sign = Some(1),
            ("-", None) => sign = Some(-1),
            ("+" | "-", Some(_)) => return Err(format!("a figure is missing before `{word}`")),
            (word, Some(given)) => {
                let value = match word.parse() {
                    Ok(number) => TermValue::Number(number),
                    Err(_) => TermValue::Figure(word.to_owned()),
                };
                terms.push(Term { sign: given, value });
                sign = None;
            }
            (word, None) => return Err(format!("`+` or `-` is missing before `{word}`")),
        }
    }
    if sign.is_some() {
        return Err("a side ends without a figure".to_owned());
    }
    Ok(terms)
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sum, left, right, ..
        } = self;
        if self.holds {
            return write!(formatter, "{sum} ({left})");
        }
        write!(formatter, "{sum}: {left} on the left, {right} on the right")?;
        let missing = left.abs_diff(*right);
        if missing > 0 {
            write!(formatter, ", {missing} apart")?;
        }
        if !self.unknown.is_empty() {
            write!(formatter, "; no figure {}", self.unknown.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
