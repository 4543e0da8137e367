//! The tables that share a partition's tree, told apart by the first byte of the key, and the key parts they share.
//!
//! ```text
//!   m <name>                             control state: floor, session, membership, adopted numbers
//!   s <slot> <workspace> <customer>      head row of a customer, and its tombstone
//!   r <slot> <workspace> <customer> …    rows that a head row names, each under a new key
//!   t <due> <workspace> <customer>       earliest timer of a customer, in the order of (due, customer)
//!   o <workspace> <customer>             a customer with effects that have no outcome yet
//!   l <since> <workspace> <customer>     a customer with something set aside, in the order of (since, customer)
//!   d <slot> <workspace> <customer> <segment>  remembered event ids
//!   p <producer>                         watermarks of producers that number their events
//!   a …                                  aggregates: counts by journey and step, statistics
//!   k <slot> <workspace> <customer>      keys that seal payload fields
//! ```
//!
//! What follows a table's own parts, and every value, is up to who writes it.

use journey_types::{CustomerId, CustomerKey, Slot, Timestamp, WorkspaceId};

use crate::keys::{KeyReader, KeyWriter, MalformedKey};

/// A table of a partition's tree. Its byte is part of the durable format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Aggregates.
    Aggregate,
    /// Remembered event ids of customers.
    Dedupe,
    /// Keys that seal payload fields: what an erasure deletes.
    SealKey,
    /// Customers with something set aside (dead letters, quarantined commands), which lies in the customer.
    SetAside,
    /// Control state of the partition.
    Control,
    /// Customers with effects that have no outcome yet; the effects lie in the customer.
    Outbox,
    /// Watermarks of numbered producers.
    Producer,
    /// Rows of customers that are named by their head row.
    CustomerPart,
    /// Head rows of customers.
    Customer,
    /// Earliest timers.
    Timer,
}

impl Table {
    /// Every table, in key order.
    pub const ALL: [Self; 10] = [
        Self::Aggregate,
        Self::Dedupe,
        Self::SealKey,
        Self::SetAside,
        Self::Control,
        Self::Outbox,
        Self::Producer,
        Self::CustomerPart,
        Self::Customer,
        Self::Timer,
    ];

    /// The first byte of its keys.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Aggregate => b'a',
            Self::Dedupe => b'd',
            Self::SealKey => b'k',
            Self::SetAside => b'l',
            Self::Control => b'm',
            Self::Outbox => b'o',
            Self::Producer => b'p',
            Self::CustomerPart => b'r',
            Self::Customer => b's',
            Self::Timer => b't',
        }
    }

    /// Begins a key of this table.
    #[must_use]
    pub fn key(self) -> KeyWriter {
        KeyWriter::new(self.byte())
    }

    /// Begins to read a key that must be of this table.
    ///
    /// # Errors
    /// When it is of another.
    pub fn read(self, key: &[u8]) -> Result<KeyReader<'_>, MalformedKey> {
        let mut reader = KeyReader::new(key);
        let malformed = reader.malformed("byte of its table");
        if reader.u8()? == self.byte() {
            Ok(reader)
        } else {
            Err(malformed)
        }
    }

    /// Begins a key with a customer's address: the whole key in [`Table::Customer`], a prefix in other tables.
    #[must_use]
    pub fn customer_key(self, slot: Slot, customer: &CustomerKey) -> KeyWriter {
        self.key().customer(slot, customer)
    }
}

/// The key of a customer's earliest timer: the due time comes first, so a scan gives timers as they fall due. Without
/// the slot, so that the order of rows is the order of `(Timestamp, CustomerKey)` and pages can be cut anywhere.
#[must_use]
pub fn timer_key(due_at: Timestamp, customer: &CustomerKey) -> Vec<u8> {
    let key = Table::Timer.key().timestamp(due_at);
    key.address(customer).finish()
}

/// The key that marks a customer with something set aside; rows lie in the order of `(Timestamp, CustomerKey)`.
#[must_use]
pub fn set_aside_key(since: Timestamp, customer: &CustomerKey) -> Vec<u8> {
    let key = Table::SetAside.key().timestamp(since);
    key.address(customer).finish()
}

/// The key that marks a customer with effects that have no outcome yet; rows lie in the order of `CustomerKey`.
#[must_use]
pub fn outbox_key(customer: &CustomerKey) -> Vec<u8> {
    Table::Outbox.key().address(customer).finish()
}

impl KeyWriter {
    /// Adds a customer's address; the slot comes first, so that a slot's customers lie together.
    #[must_use]
    pub fn customer(self, slot: Slot, customer: &CustomerKey) -> Self {
        self.u16(slot.get()).address(customer)
    }

    /// Adds a customer's address without its slot; keys lie in the order of `CustomerKey` then.
    #[must_use]
    pub fn address(self, customer: &CustomerKey) -> Self {
        self.text(customer.workspace.as_str())
            .text(customer.customer.as_str())
    }
}

impl KeyReader<'_> {
    /// Reads a customer's address with its slot.
    ///
    /// # Errors
    /// When it is not there, or is none.
    pub fn customer(&mut self) -> Result<(Slot, CustomerKey), MalformedKey> {
        let malformed = self.malformed("slot");
        let slot = Slot::new(self.u16()?).ok_or(malformed)?;
        Ok((slot, self.address()?))
    }

    /// Reads a customer's address without a slot.
    ///
    /// # Errors
    /// When it is not there, or is none.
    pub fn address(&mut self) -> Result<CustomerKey, MalformedKey> {
        let malformed = self.malformed("address of a customer");
        let workspace = WorkspaceId::new(self.text()?).map_err(|_| malformed)?;
        let customer = CustomerId::new(self.text()?).map_err(|_| malformed)?;
        Ok(CustomerKey {
            workspace,
            customer,
        })
    }
}

#[cfg(test)]
mod tests;
