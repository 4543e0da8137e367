//! The core by scripts: a bed with a fake replica and a fake journal, and one file of claims per concern.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the scripted deciding looks at few kinds of commands"
)]

mod answers;
mod bed;
mod chaos;
mod cold_timers;
mod dead_letters;
mod effects;
mod fairness;
mod leadership;
mod mailboxes;
mod orders;
mod pipelining;
mod sessions;
mod storm;
mod storm_over_rows;
mod supervision;
mod time;
