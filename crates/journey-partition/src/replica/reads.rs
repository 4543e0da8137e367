//! Reads of many customers: index rows merged with the dirty customers in memory, which stand before their rows.
//!
//! The row of a customer that is not dirty is checked against the customer's head row. The order in which rows are
//! written leaves no stale one behind; should there be one all the same, it is passed over and the checkpointer
//! removes it, so that a timer that no longer exists cannot wake its customer again and again.

use std::iter::Peekable;
use std::ops::Bound;

use journey_customer::CustomerState;
use journey_storage::keys::prefix_bounds;
use journey_storage::tables::{outbox_key, set_aside_key};
use journey_storage::{Scan, StorageError, Table};
use journey_types::{CustomerId, CustomerKey, N_SLOTS, Slot, Timestamp, WorkspaceId};

use super::Replica;
use super::place::Place;
use super::rows::HeadIndex;
use crate::error::PartitionError;
use crate::limits::STALE_ROWS_MAX;

impl Replica {
    /// Customers with effects that have no outcome yet: behind `after`, in order, at most `n_max`.
    ///
    /// # Errors
    /// When the replica is stopped or rows cannot be read.
    pub fn open_effects(
        &self,
        after: Option<&CustomerKey>,
        n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError> {
        self.check_running()?;
        let start = match after {
            Some(customer) => Bound::Excluded(outbox_key(customer)),
            None => Bound::Included(Table::Outbox.key().finish()),
        };
        let (_, end) = prefix_bounds(&Table::Outbox.key().finish());
        let tree = self.rows.tree();
        let rows = Scan::new(tree, start, end).map(|row| {
            let (key, _) = row?;
            let mut reader = Table::Outbox
                .read(&key)
                .map_err(|bad| bad.in_tree(tree.name()))?;
            let customer = reader.address().map_err(|bad| bad.in_tree(tree.name()))?;
            Ok((key, customer))
        });
        let rows = self.settled_rows(
            rows,
            |customer| customer,
            |customer, index| index.has_open_effects.then_some(customer),
        );
        let dirty = self.residents.open_after(after).cloned();
        merged(rows, dirty).take(n_max).collect()
    }

    /// Customers with something set aside, dead letters or quarantined commands: behind `after`, in the order of
    /// (since when the oldest of it lies there, customer), at most `n_max`.
    ///
    /// # Errors
    /// When the replica is stopped or rows cannot be read.
    pub fn set_aside(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        n_max: usize,
    ) -> Result<Vec<(Timestamp, CustomerKey)>, PartitionError> {
        self.check_running()?;
        let start = match after {
            Some((since, customer)) => Bound::Excluded(set_aside_key(*since, customer)),
            None => Bound::Included(Table::SetAside.key().finish()),
        };
        let (_, end) = prefix_bounds(&Table::SetAside.key().finish());
        let tree = self.rows.tree();
        let rows = Scan::new(tree, start, end).map(|row| {
            let (key, _) = row?;
            let mut reader = Table::SetAside
                .read(&key)
                .map_err(|bad| bad.in_tree(tree.name()))?;
            let parts = reader
                .timestamp()
                .and_then(|since| Ok((since, reader.address()?)));
            let found = parts.map_err(|bad| bad.in_tree(tree.name()))?;
            Ok((key, found))
        });
        let rows = self.settled_rows(
            rows,
            |(_, customer)| customer,
            |found, index| (index.set_aside_since == Some(found.0)).then_some(found),
        );
        let dirty = self.residents.set_aside_after(after).cloned();
        merged(rows, dirty).take(n_max).collect()
    }

    /// A page of a workspace's customers: behind `after`, in the order of (slot, customer id), at most `n_max`.
    ///
    /// # Errors
    /// When the replica is stopped or rows cannot be read.
    pub fn customers(
        &self,
        workspace: &WorkspaceId,
        after: Option<&CustomerId>,
        n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError> {
        self.check_running()?;
        let after = after.map(|customer| {
            let customer = CustomerKey {
                workspace: workspace.clone(),
                customer: customer.clone(),
            };
            Place::of(&self.cluster_key, &customer)
        });
        let rows = WorkspaceRows {
            replica: self,
            workspace,
            slot: after.as_ref().map_or(0, |place| place.slot.get()),
            after: after.clone(),
            scan: None,
        };
        let after = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let dirty = self.residents.dirty_after(after);
        let dirty = dirty.filter(|(place, _)| place.customer.workspace == *workspace);
        let dirty = dirty.map(|(place, _)| place.clone());
        let places = merged(rows, dirty).take(n_max);
        places.map(|place| Ok(place?.customer)).collect()
    }

    /// The index rows of customers that are not dirty, checked against their heads.
    pub(super) fn settled_rows<'a, T: 'a, U: 'a>(
        &'a self,
        rows: impl Iterator<Item = Result<(Vec<u8>, T), StorageError>> + 'a,
        customer: impl Fn(&T) -> &CustomerKey + 'a,
        current: impl Fn(T, &HeadIndex) -> Option<U> + 'a,
    ) -> impl Iterator<Item = Result<U, PartitionError>> + 'a {
        rows.filter_map(move |row| {
            let (key, found) = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(self.rows.failed("scanning index rows")(error))),
            };
            let place = Place::of(&self.cluster_key, customer(&found));
            if self.residents.is_dirty(&place) {
                return None;
            }
            match self.rows.head_index(&place) {
                Ok(index) => {
                    let current = index.and_then(|index| current(found, &index));
                    if let Some(current) = current {
                        return Some(Ok(current));
                    }
                    let mut stale = self.stale_rows.lock();
                    if stale.len() < STALE_ROWS_MAX {
                        stale.insert(key);
                    }
                    None
                }
                Err(error) => Some(Err(error)),
            }
        })
    }
}

/// Whether the customer was ever heard of.
pub(super) fn was_born(state: &CustomerState) -> bool {
    state.last_sequence.get() > 0
}

/// Two ascending rows of things as one. What both hold comes once.
pub(super) fn merged<T: Ord>(
    rows: impl Iterator<Item = Result<T, PartitionError>>,
    dirty: impl Iterator<Item = T>,
) -> impl Iterator<Item = Result<T, PartitionError>> {
    Merged {
        rows: rows.peekable(),
        dirty: dirty.peekable(),
    }
}

struct Merged<R: Iterator, D: Iterator> {
    rows: Peekable<R>,
    dirty: Peekable<D>,
}

impl<T, R, D> Iterator for Merged<R, D>
where
    T: Ord,
    R: Iterator<Item = Result<T, PartitionError>>,
    D: Iterator<Item = T>,
{
    type Item = Result<T, PartitionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let dirty_is_next = match (self.rows.peek(), self.dirty.peek()) {
            (Some(Ok(row)), Some(dirty)) if row == dirty => {
                self.rows.next();
                true
            }
            (Some(Ok(row)), Some(dirty)) => dirty < row,
            (Some(Err(_)), _) | (Some(Ok(_)), None) => false,
            (None, _) => true,
        };
        if dirty_is_next {
            self.dirty.next().map(Ok)
        } else {
            self.rows.next()
        }
    }
}

/// The places of a workspace's customers that have rows, slot by slot; slots that hold none are jumped over.
struct WorkspaceRows<'a> {
    replica: &'a Replica,
    workspace: &'a WorkspaceId,
    slot: u16,
    after: Option<Place>,
    scan: Option<Scan<'a>>,
}

impl WorkspaceRows<'_> {
    fn next_place(&mut self) -> Result<Option<Place>, PartitionError> {
        while let Some(slot) = Slot::new(self.slot) {
            if self.scan.is_none() && !self.open_slot(slot)? {
                return Ok(None);
            }
            let Some(scan) = &mut self.scan else {
                continue;
            };
            let rows = &self.replica.rows;
            let Some(row) = scan.next() else {
                self.scan = None;
                self.slot += 1;
                continue;
            };
            let (key, _) = row.map_err(rows.failed("scanning head rows"))?;
            return rows.place_of(&key).map(Some);
        }
        Ok(None)
    }

    /// Begins to scan the slot, or moves to the next one with any row; false when there is none.
    fn open_slot(&mut self, slot: Slot) -> Result<bool, PartitionError> {
        let rows = &self.replica.rows;
        let mut slot = slot;
        let start = match self.after.take() {
            Some(after) => Bound::Excluded(after.head_key()),
            None => {
                let Some(found) = rows.first_slot_from(slot)? else {
                    self.slot = N_SLOTS;
                    return Ok(false);
                };
                slot = found;
                self.slot = found.get();
                Bound::Included(workspace_prefix(slot, self.workspace))
            }
        };
        let (_, end) = prefix_bounds(&workspace_prefix(slot, self.workspace));
        self.scan = Some(Scan::new(rows.tree(), start, end));
        Ok(true)
    }
}

fn workspace_prefix(slot: Slot, workspace: &WorkspaceId) -> Vec<u8> {
    let key = Table::Customer.key().u16(slot.get());
    key.text(workspace.as_str()).finish()
}

impl Iterator for WorkspaceRows<'_> {
    type Item = Result<Place, PartitionError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_place().transpose()
    }
}
