//! `reentry: { again: always, concurrent: 1, min_gap: 0s, on_conflict: ignore }`: what happens on a second entry.

use journey_types::{TimeSpan, Value};

use crate::canonical::map;
use crate::fields::Fields;
use crate::limits::CONCURRENT_MAX;
use crate::plan::{Again, OnConflict, Reentry};
use crate::reading::Reader;
use crate::yaml::Node;

const AGAIN: [(&str, Again); 2] = [("always", Again::Always), ("never", Again::Never)];
const AGAIN_LATER: [&str; 1] = ["while_qualified"];
const ON_CONFLICT: [(&str, OnConflict); 3] = [
    ("ignore", OnConflict::Ignore),
    ("restart", OnConflict::Restart),
    ("queue", OnConflict::Queue),
];

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Reentry> {
    let mut fields = Fields::of(node, "`reentry`", reader.problems)?;
    let default = Reentry::DEFAULT;
    let again = fields
        .take("again")
        .map(|node| reader.word(node, &AGAIN, &AGAIN_LATER));
    let concurrent = fields.take("concurrent").map(|node| {
        let number = reader.whole_number(node, 1, CONCURRENT_MAX)?;
        u32::try_from(number).ok()
    });
    let min_gap = fields.take("min_gap").map(|node| reader.duration(node));
    let on_conflict = fields
        .take("on_conflict")
        .map(|node| reader.word(node, &ON_CONFLICT, &[]));
    fields.finish(reader.problems);
    Some(Reentry {
        again: again.unwrap_or(Some(default.again))?,
        concurrent: concurrent.unwrap_or(Some(default.concurrent))?,
        min_gap: min_gap.unwrap_or(Some(default.min_gap))?,
        on_conflict: on_conflict.unwrap_or(Some(default.on_conflict))?,
    })
}

impl Reentry {
    /// What holds where nothing is written.
    pub const DEFAULT: Self = Self {
        again: Again::Always,
        concurrent: 1,
        min_gap: TimeSpan::ZERO,
        on_conflict: OnConflict::Ignore,
    };
}

pub(super) fn canonical(reentry: Reentry) -> Value {
    let again = AGAIN.iter().find(|(_, again)| *again == reentry.again);
    let on_conflict = ON_CONFLICT
        .iter()
        .find(|(_, on_conflict)| *on_conflict == reentry.on_conflict);
    map([
        (
            "again",
            Value::text(again.map_or("always", |(word, _)| *word)),
        ),
        ("concurrent", Value::Int(i64::from(reentry.concurrent))),
        ("min_gap", Value::text(reentry.min_gap.to_string())),
        (
            "on_conflict",
            Value::text(on_conflict.map_or("ignore", |(word, _)| *word)),
        ),
    ])
}
