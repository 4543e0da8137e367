//! What is wrong with the source of an expression.

use std::ops::Range;

/// One problem, found when the expression is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionProblem {
    /// Bytes of the expression's source to underline; within it and on character boundaries, empty at its end.
    pub range: Range<usize>,
    /// For people: what is wrong, and what to do where that is known. No full stop.
    pub message: String,
    /// What to write instead of the text at `range`.
    pub suggestion: Option<String>,
}

/// The candidate nearest to a misspelt name, if any is near enough to be meant.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // One slip in a short name, two in a longer one: more would suggest words that nobody meant.
    let slips_max = if name.chars().count() <= 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|candidate| {
            let same_letters = candidate.eq_ignore_ascii_case(name);
            let slips = strsim::damerau_levenshtein(name, candidate);
            (if same_letters { 0 } else { slips }, candidate)
        })
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Names for a message: "`a`, `b` or `c`".
pub(crate) fn one_of<'c>(names: impl IntoIterator<Item = &'c str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
