//! Whether a template can do without what only one way into a journey brings.
//!
//! Undefined is strict: without the entering event anything of `entry` fails, so a template asks `entry is defined`
//! first; of `input`, which is empty then, it asks for the field or says with `default(…)` what to write instead.

use super::tags::{Tag, Token};
use crate::expression::Entrances;

/// What templates cannot be rendered without, of what only one way into a journey brings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The entering event.
    pub(crate) entry: bool,
    /// Something that an enroll call brought.
    pub(crate) input: bool,
}

/// Something needed that instances of a journey lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lack {
    pub(crate) what: &'static str,
    pub(crate) why: &'static str,
    /// All instances lack it, rather than those of one entry.
    pub(crate) is_sure: bool,
    pub(crate) advice: &'static str,
}

/// What is needed and not brought by every way into a journey.
pub(crate) fn lacks(needs: Needs, entrances: Entrances) -> Vec<Lack> {
    let mut lacks = Vec::new();
    if needs.entry && entrances.api {
        let is_sure = !entrances.event;
        lacks.push(Lack {
            what: "`entry`",
            why: if is_sure {
                "which instances lack that are entered by enroll calls alone: those bring `input`"
            } else {
                "which instances lack that enter by an enroll call: their message would fail"
            },
            is_sure,
            advice: "write that part of it inside `{% if entry is defined %}…{% endif %}`",
        });
    }
    if needs.input && entrances.event {
        let is_sure = !entrances.api;
        lacks.push(Lack {
            what: "`input`",
            why: if is_sure {
                "which only an enroll call brings, and there is no entry `api: enroll`"
            } else {
                "which instances lack that enter by an event: their message would fail"
            },
            is_sure,
            advice: "say what to write without it: `{{ input.x | default('…') }}`",
        });
    }
    lacks
}

/// Whether the template fails where there is no entering event.
pub(super) fn needs_entry(tags: &[Tag<'_>]) -> bool {
    !tags.iter().any(|tag| {
        let places = places_of("entry", tag);
        places.into_iter().any(|at| asks(&tag.tokens[at + 1..]))
    })
}

/// Whether the template fails where no enroll call brought an input.
pub(super) fn needs_input(tags: &[Tag<'_>]) -> bool {
    let mut needs = false;
    for tag in tags {
        for at in places_of("input", tag) {
            let mut rest = &tag.tokens[at + 1..];
            let mut n_fields: usize = 0;
            while let [dot, _, after @ ..] = rest
                && dot.text == "."
            {
                rest = after;
                n_fields += 1;
            }
            if asks(rest) {
                return false;
            }
            // A `default` stands for the field that is missing, not for a field of it.
            let has_default = matches!(rest, [bar, filter, ..] if bar.text == "|" && ["default", "d"].contains(&filter.text));
            needs |= n_fields > 1 || (n_fields == 1 && !has_default);
        }
    }
    needs
}

/// `is defined` or `is not defined`.
fn asks(tokens: &[Token<'_>]) -> bool {
    let words: Vec<&str> = tokens.iter().take(3).map(|token| token.text).collect();
    matches!(
        words.as_slice(),
        ["is", "defined" | "undefined", ..] | ["is", "not", "defined" | "undefined"]
    )
}

/// Where a variable of that name is read, not a field of another.
fn places_of(root: &str, tag: &Tag<'_>) -> Vec<usize> {
    let is_root = |at: &usize| {
        let follows_dot = at
            .checked_sub(1)
            .is_some_and(|before| tag.tokens[before].text == ".");
        tag.tokens[*at].text == root && !follows_dot
    };
    (0..tag.tokens.len()).filter(is_root).collect()
}
