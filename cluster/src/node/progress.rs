//! Health is progress: whatever has work must move, and what does not is wedged, with its reason.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long something with work may stand still: with the pause between two looks it is flagged within 5 s.
pub(crate) const STANDSTILL_MAX: Duration = Duration::from_secs(3);
/// The same for a step of a checkpoint, which writes and syncs up to a MiB on a disk that others use.
pub(crate) const CHECKPOINT_STANDSTILL_MAX: Duration = Duration::from_secs(60);

/// One look at one thing.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// What was looked at; the same text at every look.
    pub(crate) subject: String,
    /// Where it stands; any change is progress.
    pub(crate) position: u64,
    /// Whether it has anything to do.
    pub(crate) has_work: bool,
    /// What is wrong if it does not move.
    pub(crate) reason: String,
    /// How long it may stand still.
    pub(crate) standstill_max: Duration,
}

/// Something that has work and does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wedge {
    /// What.
    pub(crate) subject: String,
    /// Why, and for how long.
    pub(crate) reason: String,
}

/// Remembers since when each thing stands still.
#[derive(Debug, Default)]
pub(crate) struct ProgressWatch {
    standing: BTreeMap<String, (u64, Instant)>,
}

impl ProgressWatch {
    /// Takes one round of looks in and answers what is wedged. What was not looked at this time begins anew.
    pub(crate) fn look(&mut self, now: Instant, samples: Vec<Sample>) -> Vec<Wedge> {
        let mut standing = BTreeMap::new();
        let mut wedges = Vec::new();
        for sample in samples {
            if !sample.has_work {
                continue;
            }
            let before = self.standing.remove(&sample.subject);
            let since = match before {
                Some((position, since)) if position == sample.position => since,
                Some(_) | None => now,
            };
            let stands = now.saturating_duration_since(since);
            if stands >= sample.standstill_max {
                wedges.push(Wedge {
                    subject: sample.subject.clone(),
                    reason: format!("{}, for {} s", sample.reason, stands.as_secs()),
                });
            }
            standing.insert(sample.subject, (sample.position, since));
        }
        self.standing = standing;
        wedges
    }
}

#[cfg(test)]
mod tests;
