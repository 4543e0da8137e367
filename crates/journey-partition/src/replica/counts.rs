//! Counts by journey version and step, kept from the facts alone; each version's row has a mark of its own.

use std::collections::BTreeMap;

use journey_codec::{JourneyCounts, count_fact, counted_version};
use journey_customer::JournalEvent;
use journey_types::{DefinitionVersion, JourneyId, Lsn};

/// A version of a journey.
pub(super) type CountsKey = (JourneyId, DefinitionVersion);

/// # Invariants
/// A version's counts reflect every entry applied, and its row those up to its mark.
#[derive(Debug, Default)]
pub(super) struct Counts {
    by_version: BTreeMap<CountsKey, JourneyCounts>,
    /// The last entry that each row reflects.
    marks: BTreeMap<CountsKey, Lsn>,
    /// Versions whose rows lack an entry, with the last one that changed them.
    changed: BTreeMap<CountsKey, Lsn>,
}

impl Counts {
    /// Takes in a row.
    pub(super) fn restore(&mut self, key: CountsKey, mark: Lsn, counts: JourneyCounts) {
        self.marks.insert(key.clone(), mark);
        self.by_version.insert(key, counts);
    }

    pub(super) const fn by_version(&self) -> &BTreeMap<CountsKey, JourneyCounts> {
        &self.by_version
    }

    /// Counts a fact, unless the row has counted its entry already.
    pub(super) fn count(&mut self, lsn: Lsn, event: &JournalEvent) {
        let Some((journey, version)) = counted_version(event) else {
            return;
        };
        let key = (journey.clone(), version);
        if self.marks.get(&key).is_some_and(|mark| lsn <= *mark) {
            return;
        }
        match self.by_version.get_mut(&key) {
            Some(counts) => count_fact(counts, event),
            None => count_fact(self.by_version.entry(key.clone()).or_default(), event),
        }
        match self.changed.get_mut(&key) {
            Some(last) => *last = lsn,
            None => {
                self.changed.insert(key, lsn);
            }
        }
    }

    /// Counts that rows lack.
    pub(super) fn changed(&self) -> BTreeMap<CountsKey, JourneyCounts> {
        let changed = self.changed.keys();
        changed
            .map(|key| (key.clone(), self.by_version[key].clone()))
            .collect()
    }

    /// The rows of these versions reflect every entry up to `mark`.
    pub(super) fn settle<'a>(&mut self, mark: Lsn, keys: impl Iterator<Item = &'a CountsKey>) {
        for key in keys {
            self.marks.insert(key.clone(), mark);
            if self.changed.get(key).is_some_and(|last| *last <= mark) {
                self.changed.remove(key);
            }
        }
    }
}
