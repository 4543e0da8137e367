//! Finds out at start what of one group's log is there, and removes what a crash left half done.
//!
//! A crash leaves a prefix of the writes, and an entry's head row is written last of it, so what a crash can leave is:
//! chunks without a head behind the last entry, never acknowledged (a *torn tail*), or rows that a purge or a truncation
//! had still to remove. Everything else that does not fit together is damage: rows that were durable are gone, and the
//! start is refused. Nothing is removed before everything was looked at.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use journey_storage::{Put, StorageError, Tree};
use openraft::EntryPayload;

use super::LogPlace;
use super::entry_rows::{Assembler, EntrySize, RowMeaning};
use super::keys;
use crate::limits::LOG_SCAN_ROWS_MAX;
use crate::raft_types::{LogId, Vote};
use crate::record::{self, RecordFault};
use crate::{ConsensusError, ReplicaId};

/// One group's log as found on disk.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) is_new: bool,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) installing: Option<LogId>,
    pub(super) first: u64,
    pub(super) sizes: VecDeque<EntrySize>,
    /// Who votes as of the last entry that says so, if one of those that are there does.
    pub(super) voters: Option<BTreeSet<u64>>,
}

/// Reads the whole log of the group once: its rows are checked and counted, none is kept.
pub(super) fn recover(
    tree: &dyn Tree,
    place: &LogPlace,
    replica: ReplicaId,
) -> Result<Recovered, ConsensusError> {
    let found = owner(tree, place)?;
    if let Some(found) = found.filter(|found| *found != replica) {
        return Err(ConsensusError::ForeignLog {
            log: place.log.to_string(),
            group: place.group,
            found,
            wanted: replica,
        });
    }
    let purged = read(
        tree,
        place,
        (&keys::purged(place.group), "its purge mark"),
        record::decode_log_id,
    )?;
    let vote = read(
        tree,
        place,
        (&keys::vote(place.group), "its vote"),
        record::decode_vote,
    )?;
    let installing = read(
        tree,
        place,
        (
            &keys::installing(place.group),
            "its mark of a snapshot installed",
        ),
        record::decode_log_id,
    )?;
    let mut scan = Scan {
        place,
        purged,
        last: purged,
        first: purged.map_or(0, |purged| purged.index() + 1),
        sizes: VecDeque::new(),
        removals: Vec::new(),
        torn: Vec::new(),
        voters: None,
    };
    scan.rows(tree)?;
    scan.remove_leftovers(tree)?;
    Ok(Recovered {
        is_new: found.is_none(),
        purged,
        last: scan.last,
        vote,
        installing,
        first: scan.first,
        sizes: scan.sizes,
        voters: scan.voters,
    })
}

/// One pass over the entries of a group.
struct Scan<'a> {
    place: &'a LogPlace,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// Index of the first entry that must be there, if there is any.
    first: u64,
    sizes: VecDeque<EntrySize>,
    /// Rows of purged entries. Keys only: a purge is far behind at most by one purge's entries.
    removals: Vec<Put>,
    /// Chunks without a head behind the last entry, with the entry they were to belong to.
    torn: Vec<(u64, Put)>,
    voters: Option<BTreeSet<u64>>,
}

impl Scan<'_> {
    fn rows(&mut self, tree: &dyn Tree) -> Result<(), ConsensusError> {
        let to = keys::after_entries(self.place.group);
        let mut from = keys::entry(self.place.group, 0);
        let mut is_start = true;
        let mut assembler = Assembler::default();
        loop {
            let lower = if is_start {
                Bound::Included(from.as_slice())
            } else {
                Bound::Excluded(from.as_slice())
            };
            let rows = tree
                .range(lower, Bound::Excluded(to.as_slice()), LOG_SCAN_ROWS_MAX)
                .map_err(reading)?;
            let Some((last_key, _)) = rows.last() else {
                break;
            };
            from.clone_from(last_key);
            is_start = false;
            for row in rows {
                let key = row.0.clone();
                match assembler.push(row) {
                    Ok(RowMeaning::Entry { entry, size }) => {
                        self.entry(entry.log_id, size)?;
                        if let EntryPayload::Membership(membership) = entry.payload {
                            self.voters = Some(membership.voter_ids().collect());
                        }
                    }
                    Ok(RowMeaning::Part) => {}
                    Ok(RowMeaning::Leftover { index }) => self.leftover(index, key),
                    Err((index, fault)) => return Err(self.place.faulty_entry(index, fault)),
                }
            }
        }
        let finished = assembler.finished();
        finished.map_err(|(index, fault)| self.place.faulty_entry(index, fault))
    }

    fn entry(&mut self, log_id: LogId, size: EntrySize) -> Result<(), ConsensusError> {
        let index = log_id.index();
        if self.purged.is_some_and(|purged| index <= purged.index()) {
            // Purged before the crash, its rows were still waiting to be removed.
            let keys = size.keys(self.place.group, index);
            self.removals
                .extend(keys.map(|key| Put { key, value: None }));
            return Ok(());
        }
        let expected = self.first + self.sizes.len() as u64;
        if index != expected {
            let reason = format!("it is missing, and entry {index} follows");
            return Err(self.place.damaged(expected, reason));
        }
        let term = log_id.committed_leader_id().term;
        if let Some(last) = self
            .last
            .filter(|last| last.committed_leader_id().term > term)
        {
            let before = last.committed_leader_id().term;
            let reason =
                format!("its term {term} is below the term {before} of the entry before it");
            return Err(self.place.damaged(index, reason));
        }
        self.sizes.push_back(size);
        self.last = Some(log_id);
        Ok(())
    }

    fn leftover(&mut self, index: u64, key: Vec<u8>) {
        let removal = Put { key, value: None };
        if self.purged.is_some_and(|purged| index <= purged.index()) {
            self.removals.push(removal);
        } else {
            // Entries that follow make it a hole, which `entry` finds.
            self.torn.push((index, removal));
        }
    }

    fn remove_leftovers(&mut self, tree: &dyn Tree) -> Result<(), ConsensusError> {
        if let Some((index, _)) = self.torn.first() {
            tracing::info!(
                group = %self.place.group.described(),
                log = %self.place.log,
                index,
                n_rows = self.torn.len(),
                "dropped a torn tail of the log: a crash cut its writing off before it was acknowledged"
            );
        }
        let torn = self.torn.drain(..).map(|(_, removal)| removal);
        self.removals.extend(torn);
        for removals in self.removals.chunks(LOG_SCAN_ROWS_MAX) {
            tree.put_ordered(removals)
                .map_err(|source| ConsensusError::Storage {
                    attempt: format!("removing leftovers of {}", self.place.group.described()),
                    source,
                })?;
        }
        Ok(())
    }
}

fn owner(tree: &dyn Tree, place: &LogPlace) -> Result<Option<ReplicaId>, ConsensusError> {
    let Some(value) = tree.get(&keys::owner(place.group)).map_err(reading)? else {
        return Ok(None);
    };
    let number = <[u8; 8]>::try_from(value.as_slice());
    let number = number
        .map_err(|_| place.damaged(0, format!("the row of its owner has {} bytes", value.len())))?;
    Ok(Some(ReplicaId::new(u64::from_be_bytes(number))))
}

fn read<T>(
    tree: &dyn Tree,
    place: &LogPlace,
    (key, row): (&[u8], &str),
    decode: impl FnOnce(Bytes) -> Result<T, RecordFault>,
) -> Result<Option<T>, ConsensusError> {
    let Some(value) = tree.get(key).map_err(reading)? else {
        return Ok(None);
    };
    let decoded = decode(Bytes::from(value));
    decoded
        .map(Some)
        .map_err(|fault| place.faulty_row(row, fault))
}

fn reading(source: StorageError) -> ConsensusError {
    ConsensusError::Storage {
        attempt: "reading a group's log".to_owned(),
        source,
    }
}
