//! Timers as they fall due, though the rows of some lie earlier than they are due.
//!
//! A timer far ahead that moves further ahead leaves its row where it is: to move it with every event would cost as much
//! as the event's own row. The head tells when the timer is due; whoever reads timers page by page puts each row that it
//! passes where it is due, and from there on rows move with their timers again.
//!
//! ```text
//!   rows       ──► filed at, in order ──► head: due at ──► waits until the scan comes to that instant ──► page
//!   dirty ones ──► the same in memory ──► state: due at ─┘        └─► by pages: filed anew where it is due
//! ```

use std::collections::BTreeSet;
use std::ops::Bound;

use journey_storage::keys::prefix_bounds;
use journey_storage::tables::timer_key;
use journey_storage::{Scan, Table};
use journey_types::{CustomerKey, Timestamp};

use super::Replica;
use super::place::Place;
use super::reads::merged;
use super::rows::HeadIndex;
use crate::error::PartitionError;
use crate::limits::{TIMER_ROWS_MOVE_WITHIN, TIMERS_FILED_AT_ONCE};

/// A customer and the instant its earliest timer is due.
type Armed = (Timestamp, CustomerKey);

/// Some timers in the order in which they are due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimerPage {
    /// At most as many as were asked for.
    pub timers: Vec<(Timestamp, CustomerKey)>,
    /// A customer with a timer that is due later than was asked for; of no meaning where the page is full.
    pub beyond: Option<CustomerKey>,
}

/// How far timers were read page by page.
///
/// # Invariants
/// No timer that is filed at or before `last` is due later, nor one that is filed before `at` or, unless that is the
/// instant of `last`, at it.
#[derive(Debug, Clone)]
pub(super) struct ReadThrough {
    at: Timestamp,
    last: Option<Armed>,
}

/// A timer as it is filed, in the order of that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Filed {
    filed: Armed,
    due_at: Timestamp,
}

/// What a scan found.
#[derive(Debug, Default)]
struct Scanned {
    page: TimerPage,
    /// Customers whose timers are filed before they are due.
    early: Vec<CustomerKey>,
    /// The last one that was looked at and filed no later than was asked for.
    last: Option<Armed>,
}

/// What a scan looks for.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    from: Option<&'a Armed>,
    before: Timestamp,
    n_max: usize,
    early_max: usize,
}

impl Replica {
    /// Customers by their earliest timer: behind `from`, due up to and with `before`, in order, at most `n_max`.
    ///
    /// # Errors
    /// When the replica is stopped or rows cannot be read.
    pub fn timers_due(
        &self,
        from: Option<&(Timestamp, CustomerKey)>,
        before: Timestamp,
        n_max: usize,
    ) -> Result<Vec<(Timestamp, CustomerKey)>, PartitionError> {
        let scanned = self.scan_timers(Wanted {
            from,
            before,
            n_max,
            early_max: usize::MAX,
        });
        Ok(scanned?.page.timers)
    }

    /// As [`Self::timers_due`], for whoever goes on behind the page and will not look at what lies before: all of it is
    /// filed where it is due then. `None` where the call filed some of it and is to be repeated, so that nobody waits
    /// long for the replica.
    ///
    /// # Errors
    /// When the replica is stopped or rows cannot be read or written.
    pub fn page_of_timers(
        &mut self,
        from: Option<&(Timestamp, CustomerKey)>,
        before: Timestamp,
        n_max: usize,
    ) -> Result<Option<TimerPage>, PartitionError> {
        let scanned = self.scan_timers(Wanted {
            from,
            before,
            n_max,
            early_max: TIMERS_FILED_AT_ONCE,
        })?;
        if !scanned.early.is_empty() {
            for customer in &scanned.early {
                let place = Place::of(&self.cluster_key, customer);
                self.file_timer(&place)?;
            }
            return Ok(None);
        }
        let is_full = scanned.page.timers.len() >= n_max;
        let full_through = scanned.page.timers.last().filter(|_| is_full).cloned();
        let (at, last) = match full_through {
            Some(last) => (last.0, Some(last)),
            None => (before, scanned.last),
        };
        self.timers_read = Some(match self.timers_read.take() {
            None => ReadThrough { at, last },
            Some(read) => ReadThrough {
                at: read.at.max(at),
                last: read.last.max(last),
            },
        });
        Ok(Some(scanned.page))
    }

    /// Timers filed behind this instant may stay where they are when they move further ahead. Where nobody reads timers
    /// that is as well so that few of them have to be filed anew when somebody begins to.
    pub(super) fn timers_far_from(&self) -> Timestamp {
        let far = self.control.stamp.plus(TIMER_ROWS_MOVE_WITHIN);
        self.timers_read
            .as_ref()
            .map_or(far, |read| far.max(read.at))
    }

    /// The rows of a customer were written, while timers were read perhaps: where its row was passed meanwhile, it is
    /// filed where it is due.
    pub(super) fn file_written_timer(
        &mut self,
        place: &Place,
        index: &HeadIndex,
    ) -> Result<(), PartitionError> {
        let read = self.timers_read.as_ref();
        let was_passed = read.is_some_and(|read| index.filed_at <= Some(read.at));
        if index.is_filed_early() && was_passed && !self.residents.is_dirty(place) {
            self.file_timer(place)?;
        }
        Ok(())
    }

    /// Puts a timer where it is due, in memory or in rows.
    fn file_timer(&mut self, place: &Place) -> Result<(), PartitionError> {
        if !self.residents.file_dirty(place)
            && let Some(index) = self.rows.file_timer(place)?
        {
            self.residents.filed(place, index);
        }
        Ok(())
    }

    fn scan_timers(&self, wanted: Wanted<'_>) -> Result<Scanned, PartitionError> {
        self.check_running()?;
        let read = self
            .timers_read
            .as_ref()
            .and_then(|read| read.last.as_ref());
        // Behind what was read, a timer may be filed before `from` and due after it.
        let start = wanted.from.and_then(|from| Some(from.min(read?)));
        let mut scanned = Scanned::default();
        let mut waiting = BTreeSet::new();
        for filed in self.filed_timers(start) {
            let Filed { filed, due_at } = filed?;
            if filed.0 > wanted.before {
                scanned.page.beyond = Some(filed.1);
                break;
            }
            if filed.0 < due_at {
                scanned.early.push(filed.1.clone());
            }
            let timer = (due_at, filed.1.clone());
            if due_at > wanted.before {
                scanned.page.beyond = Some(timer.1);
            } else if wanted.from.is_none_or(|from| timer > *from) {
                waiting.insert(timer);
                if waiting.len() > wanted.n_max {
                    waiting.pop_last();
                }
            }
            // What is filed later is due later as well.
            scanned.release(&mut waiting, Some(&filed), wanted.n_max);
            scanned.last = Some(filed);
            if scanned.page.timers.len() >= wanted.n_max || scanned.early.len() >= wanted.early_max
            {
                return Ok(scanned);
            }
        }
        scanned.release(&mut waiting, None, wanted.n_max);
        Ok(scanned)
    }

    /// Timers behind a place, in the order in which they are filed.
    fn filed_timers(
        &self,
        start: Option<&Armed>,
    ) -> impl Iterator<Item = Result<Filed, PartitionError>> {
        let from = match start {
            Some((filed_at, customer)) => Bound::Excluded(timer_key(*filed_at, customer)),
            None => Bound::Included(Table::Timer.key().finish()),
        };
        let (_, end) = prefix_bounds(&Table::Timer.key().finish());
        let tree = self.rows.tree();
        let rows = Scan::new(tree, from, end).map(|row| {
            let (key, _) = row?;
            let mut reader = Table::Timer
                .read(&key)
                .map_err(|bad| bad.in_tree(tree.name()))?;
            let parts = reader
                .timestamp()
                .and_then(|filed_at| Ok((filed_at, reader.address()?)));
            let filed = parts.map_err(|bad| bad.in_tree(tree.name()))?;
            Ok((key, filed))
        });
        let rows = self.settled_rows(
            rows,
            |(_, customer)| customer,
            |filed, index| {
                let due_at = index.due_at.filter(|_| index.filed_at == Some(filed.0))?;
                Some(Filed { filed, due_at })
            },
        );
        let dirty = self
            .residents
            .due_behind(start.map_or(Bound::Unbounded, Bound::Excluded));
        let dirty = dirty.filter_map(|filed| {
            let place = Place::of(&self.cluster_key, &filed.1);
            Some(Filed {
                filed: filed.clone(),
                due_at: self.residents.dirty_due_at(&place)?,
            })
        });
        merged(rows, dirty)
    }
}

impl Scanned {
    /// Takes over those that are due no later than the scan's place, as far as the page takes them.
    fn release(&mut self, waiting: &mut BTreeSet<Armed>, scan: Option<&Armed>, n_max: usize) {
        while self.page.timers.len() < n_max
            && waiting
                .first()
                .is_some_and(|timer| scan.is_none_or(|scan| timer <= scan))
        {
            self.page.timers.extend(waiting.pop_first());
        }
    }
}
