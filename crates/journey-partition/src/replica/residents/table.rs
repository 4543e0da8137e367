//! Where customers lie in memory: found by hash, and in the order of their last use.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::num::NonZeroU32;

use super::resident::Resident;
use crate::hashed::AsItIs;
use crate::replica::place::Place;

/// A place in the table; stable while the customer is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replica) struct ResidentIdx(NonZeroU32);

impl ResidentIdx {
    /// Counted from 1, so that a link that is not there takes no room of its own.
    fn new(position: usize) -> Self {
        let number = u32::try_from(position + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("memory holds fewer than four thousand million customers"))
    }

    const fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Which list of uses a customer stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UseList {
    /// States, whether or not their rows are behind.
    Live,
    /// Packed ones whose rows are up to date: they can be dropped.
    PackedClean,
}

/// A customer's neighbours in the order of use, and the next one with the same hash.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Links {
    list: Option<UseList>,
    newer: Option<ResidentIdx>,
    older: Option<ResidentIdx>,
    same_hash: Option<ResidentIdx>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    newest: Option<ResidentIdx>,
    oldest: Option<ResidentIdx>,
}

/// Customers in memory.
///
/// # Invariants
/// Every customer is found by its hash; lists name customers that are in the table, each in one list at most.
#[derive(Debug, Default)]
pub(super) struct Table {
    residents: Vec<Option<Resident>>,
    free: Vec<ResidentIdx>,
    /// The first customer with the hash, which is random already; looked up only, never gone through.
    by_hash: HashMap<u64, ResidentIdx, BuildHasherDefault<AsItIs>>,
    live: Ends,
    packed_clean: Ends,
    /// Of those in the live list.
    live_size_bytes: usize,
}

impl Table {
    pub(super) fn find(&self, place: &Place) -> Option<ResidentIdx> {
        let mut found = self.by_hash.get(&place.hash).copied();
        while let Some(idx) = found {
            let resident = self.get(idx);
            if resident.place == *place {
                return Some(idx);
            }
            found = resident.links.same_hash;
        }
        None
    }

    pub(super) fn get(&self, idx: ResidentIdx) -> &Resident {
        let resident = self.residents[idx.position()].as_ref();
        resident.expect("a place is used only while its customer is in it")
    }

    pub(super) fn get_mut(&mut self, idx: ResidentIdx) -> &mut Resident {
        let resident = self.residents[idx.position()].as_mut();
        resident.expect("a place is used only while its customer is in it")
    }

    /// Puts in a customer that is not in.
    pub(super) fn insert(&mut self, mut resident: Resident) -> ResidentIdx {
        let hash = resident.place.hash;
        resident.links = Links {
            same_hash: self.by_hash.get(&hash).copied(),
            ..Links::default()
        };
        let idx = if let Some(idx) = self.free.pop() {
            self.residents[idx.position()] = Some(resident);
            idx
        } else {
            self.residents.push(Some(resident));
            ResidentIdx::new(self.residents.len() - 1)
        };
        self.by_hash.insert(hash, idx);
        idx
    }

    /// Takes a customer out, of its list as well.
    pub(super) fn remove(&mut self, idx: ResidentIdx) -> Resident {
        self.unlist(idx);
        let (hash, next) = {
            let resident = self.get(idx);
            (resident.place.hash, resident.links.same_hash)
        };
        let mut before = self.by_hash[&hash];
        if before == idx {
            match next {
                Some(next) => self.by_hash.insert(hash, next),
                None => self.by_hash.remove(&hash),
            };
        } else {
            while let Some(behind) = self.get(before).links.same_hash.filter(|it| *it != idx) {
                before = behind;
            }
            self.get_mut(before).links.same_hash = next;
        }
        self.free.push(idx);
        let removed = self.residents[idx.position()].take();
        removed.expect("it was there above")
    }

    /// Puts a customer at the new end of a list, wherever it was before.
    pub(super) fn list(&mut self, idx: ResidentIdx, list: UseList) {
        self.unlist(idx);
        let ends = self.ends_mut(list);
        let newest = ends.newest.replace(idx);
        ends.oldest.get_or_insert(idx);
        if let Some(newest) = newest {
            self.get_mut(newest).links.newer = Some(idx);
        }
        let resident = self.get_mut(idx);
        resident.links.list = Some(list);
        resident.links.older = newest;
        if list == UseList::Live {
            self.live_size_bytes += self.get(idx).memory_size_bytes;
        }
    }

    /// Takes a customer out of its list, if it is in one.
    pub(super) fn unlist(&mut self, idx: ResidentIdx) {
        let resident = self.get_mut(idx);
        let size_bytes = resident.memory_size_bytes;
        let links = &mut resident.links;
        let Some(list) = links.list.take() else {
            return;
        };
        let (newer, older) = (links.newer.take(), links.older.take());
        if list == UseList::Live {
            self.live_size_bytes -= size_bytes;
        }
        match newer {
            Some(newer) => self.get_mut(newer).links.older = older,
            None => self.ends_mut(list).newest = older,
        }
        match older {
            Some(older) => self.get_mut(older).links.newer = newer,
            None => self.ends_mut(list).oldest = newer,
        }
    }

    /// Measures a customer anew; gives what it took before and what it takes now.
    pub(super) fn measure(&mut self, idx: ResidentIdx) -> (usize, usize) {
        let resident = self.get_mut(idx);
        let before = resident.measure();
        let now = resident.memory_size_bytes;
        if resident.links.list == Some(UseList::Live) {
            self.live_size_bytes = self.live_size_bytes - before + now;
        }
        (before, now)
    }

    pub(super) const fn live_size_bytes(&self) -> usize {
        self.live_size_bytes
    }

    pub(super) fn is_listed(&self, idx: ResidentIdx) -> bool {
        self.get(idx).links.list.is_some()
    }

    pub(super) const fn oldest(&self, list: UseList) -> Option<ResidentIdx> {
        match list {
            UseList::Live => self.live.oldest,
            UseList::PackedClean => self.packed_clean.oldest,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.residents.len() - self.free.len()
    }

    const fn ends_mut(&mut self, list: UseList) -> &mut Ends {
        match list {
            UseList::Live => &mut self.live,
            UseList::PackedClean => &mut self.packed_clean,
        }
    }
}

#[cfg(test)]
mod tests;
