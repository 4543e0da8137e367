//! Finds out at start what of one group's log is there, and removes what a crash left half done.

use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;
use journey_storage::{Put, StorageError, Tree};

use super::entry_rows::{Assembler, EntrySize, RowMeaning};
use super::keys;
use crate::limits::LOG_SCAN_ROWS_MAX;
use crate::raft_types::{LogId, Vote};
use crate::record;
use crate::{ConsensusError, GroupId, ReplicaId};

/// One group's log as found on disk.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) is_new: bool,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) first: u64,
    pub(super) sizes: VecDeque<EntrySize>,
}

/// Reads the whole log of the group once: its rows are checked and counted, none is kept.
pub(super) fn recover(
    tree: &dyn Tree,
    group: GroupId,
    replica: ReplicaId,
) -> Result<Recovered, ConsensusError> {
    let found = owner(tree, group)?;
    if let Some(found) = found.filter(|found| *found != replica) {
        return Err(ConsensusError::ForeignLog {
            group,
            found,
            wanted: replica,
        });
    }
    let purged = read(tree, group, &keys::purged(group), record::decode_log_id)?;
    let vote = read(tree, group, &keys::vote(group), record::decode_vote)?;
    let mut scan = Scan {
        group,
        purged,
        last: purged,
        first: 0,
        sizes: VecDeque::new(),
        removals: Vec::new(),
    };
    scan.rows(tree)?;
    Ok(Recovered {
        is_new: found.is_none(),
        purged,
        last: scan.last,
        vote,
        first: scan.first,
        sizes: scan.sizes,
    })
}

/// One pass over the entries of a group.
struct Scan {
    group: GroupId,
    purged: Option<LogId>,
    last: Option<LogId>,
    first: u64,
    sizes: VecDeque<EntrySize>,
    removals: Vec<Put>,
}

impl Scan {
    fn rows(&mut self, tree: &dyn Tree) -> Result<(), ConsensusError> {
        let to = keys::after_entries(self.group);
        let mut from = keys::entry(self.group, 0);
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
                    Ok(RowMeaning::Entry { entry, size }) => self.entry(entry.log_id, size)?,
                    Ok(RowMeaning::Part) => {}
                    Ok(RowMeaning::Leftover) => self.removals.push(Put { key, value: None }),
                    Err((index, reason)) => return Err(self.damaged(index, reason)),
                }
            }
            self.remove_leftovers(tree)?;
        }
        let finished = assembler.finished();
        finished.map_err(|(index, reason)| self.damaged(index, reason))
    }

    fn entry(&mut self, log_id: LogId, size: EntrySize) -> Result<(), ConsensusError> {
        let index = log_id.index();
        if self.purged.is_some_and(|purged| index <= purged.index()) {
            // Purged before the crash, its rows were still waiting to be removed.
            let keys = size.keys(self.group, index);
            self.removals
                .extend(keys.map(|key| Put { key, value: None }));
            return Ok(());
        }
        if self.sizes.is_empty() {
            self.first = index;
        }
        let expected = self.first + self.sizes.len() as u64;
        if index != expected {
            return Err(self.damaged(expected, format!("the next entry found is {index}")));
        }
        self.sizes.push_back(size);
        self.last = Some(log_id);
        Ok(())
    }

    fn remove_leftovers(&mut self, tree: &dyn Tree) -> Result<(), ConsensusError> {
        if self.removals.is_empty() {
            return Ok(());
        }
        let removals = std::mem::take(&mut self.removals);
        tree.put_ordered(&removals)
            .map_err(|source| ConsensusError::Storage {
                attempt: format!("removing leftovers of group {}", self.group),
                source,
            })
    }

    fn damaged(&self, index: u64, reason: String) -> ConsensusError {
        ConsensusError::Damaged {
            group: self.group,
            index,
            reason,
        }
    }
}

fn owner(tree: &dyn Tree, group: GroupId) -> Result<Option<ReplicaId>, ConsensusError> {
    let Some(value) = tree.get(&keys::owner(group)).map_err(reading)? else {
        return Ok(None);
    };
    let number = <[u8; 8]>::try_from(value.as_slice());
    let number = number.map_err(|_| ConsensusError::Damaged {
        group,
        index: 0,
        reason: format!("the row of its owner has {} bytes", value.len()),
    })?;
    Ok(Some(ReplicaId::new(u64::from_be_bytes(number))))
}

fn read<T>(
    tree: &dyn Tree,
    group: GroupId,
    key: &[u8],
    decode: impl FnOnce(Bytes) -> Result<T, String>,
) -> Result<Option<T>, ConsensusError> {
    let Some(value) = tree.get(key).map_err(reading)? else {
        return Ok(None);
    };
    let decoded = decode(Bytes::from(value));
    decoded.map(Some).map_err(|reason| ConsensusError::Damaged {
        group,
        index: 0,
        reason: format!("its vote or purge mark does not read back: {reason}"),
    })
}

fn reading(source: StorageError) -> ConsensusError {
    ConsensusError::Storage {
        attempt: "reading a group's log".to_owned(),
        source,
    }
}
