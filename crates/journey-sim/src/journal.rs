//! The journal as consensus would give it to one voter, with every way in which it may disappoint.
//!
//! Proposals wait in order; each is appended, refused, or lost. Appended entries are durable after a sync; only durable
//! ones are committed and applied. A power cut keeps a prefix of what was not synced.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use journey_codec::JournalEntry;
use journey_partition::ProposalId;
use journey_types::Lsn;
use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::options::Fate;

/// A proposal that waits to be dealt with.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) proposal: ProposalId,
    pub(crate) encoded: Bytes,
    /// `None`: whatever comes.
    pub(crate) fate: Option<Fate>,
}

/// An entry of the log; `proposal` is who waits for it, if anyone still does.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) encoded: Bytes,
    pub(crate) proposal: Option<ProposalId>,
}

#[derive(Debug, Default)]
pub(crate) struct JournalModel {
    pub(crate) pending: VecDeque<Pending>,
    /// Entries reported lost that are still on their way: they land late, behind other sessions, or never.
    stray: VecDeque<Bytes>,
    /// Entry of lsn 1 first.
    log: Vec<Entry>,
    n_durable: usize,
    n_applied: usize,
}

impl JournalModel {
    pub(crate) fn propose(&mut self, proposal: ProposalId, encoded: Bytes, fate: Option<Fate>) {
        self.pending.push_back(Pending {
            proposal,
            encoded,
            fate,
        });
    }

    pub(crate) fn append(&mut self, encoded: Bytes, proposal: Option<ProposalId>) {
        self.log.push(Entry { encoded, proposal });
    }

    pub(crate) fn go_astray(&mut self, encoded: Bytes) {
        self.stray.push_back(encoded);
    }

    /// Appends the oldest stray entry; `false` when there is none.
    pub(crate) fn land_stray(&mut self) -> bool {
        let stray = self.stray.pop_front();
        let has_landed = stray.is_some();
        if let Some(encoded) = stray {
            self.append(encoded, None);
        }
        has_landed
    }

    pub(crate) fn sync(&mut self) {
        self.n_durable = self.log.len();
    }

    /// The next durable entry that this replica has not applied.
    pub(crate) fn next_to_apply(&mut self) -> Option<(Lsn, Entry)> {
        if self.n_applied >= self.n_durable {
            return None;
        }
        self.n_applied += 1;
        Some((lsn_of(self.n_applied), self.log[self.n_applied - 1].clone()))
    }

    pub(crate) const fn has_unapplied(&self) -> bool {
        self.n_applied < self.log.len()
    }

    /// Forgets everything in flight and all but a prefix of what was not synced; applying starts after `floor`.
    pub(crate) fn cut_power(&mut self, n_unsynced_kept: usize, floor: Lsn) {
        self.pending.clear();
        self.stray.clear();
        self.log.truncate(self.n_durable + n_unsynced_kept);
        for entry in &mut self.log {
            entry.proposal = None;
        }
        self.n_durable = self.log.len();
        self.n_applied = usize::try_from(floor.get()).expect("a log in memory");
        assert!(
            self.n_applied <= self.n_durable,
            "the state's floor {floor} lies behind the log's end"
        );
    }

    pub(crate) const fn n_unsynced(&self) -> usize {
        self.log.len() - self.n_durable
    }

    /// Nobody waits any more for what is in flight; it may land all the same.
    pub(crate) fn forget_waiters(&mut self, rng: &mut SmallRng) -> Vec<ProposalId> {
        let mut forgotten = Vec::new();
        while let Some(pending) = self.pending.pop_front() {
            forgotten.push(pending.proposal);
            if rng.random_bool(0.5) {
                self.go_astray(pending.encoded);
            }
        }
        for entry in &mut self.log[self.n_applied..] {
            forgotten.extend(entry.proposal.take());
        }
        forgotten
    }

    /// Every entry of the log, decoded, for the final replay.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Lsn, Arc<JournalEntry>)> + '_ {
        self.log.iter().enumerate().map(|(position, entry)| {
            let decoded =
                journey_codec::decode_entry(&entry.encoded).expect("encoded by this process");
            (lsn_of(position + 1), Arc::new(decoded))
        })
    }
}

fn lsn_of(position: usize) -> Lsn {
    Lsn::new(u64::try_from(position).expect("a log in memory"))
}
