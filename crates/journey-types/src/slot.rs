//! Where a customer lies: the hash from its key to one of 4,096 slots, and the fingerprint of an event id.
//!
//! Both are contracts with the stored data: golden tests hold them.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::ids::{CustomerKey, EnrollmentId, EventId, JourneyId, SourceName};

/// How many slots there are: the finest grain of placement, fixed for ever.
pub const N_SLOTS: u16 = 4_096;

/// One of [`N_SLOTS`] slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The slot of that number, or `None` from 4,096 on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < N_SLOTS {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The slot of the customer with this [`customer_hash`].
    #[must_use]
    pub fn of_hash(hash: u64) -> Self {
        let number = hash % u64::from(N_SLOTS);
        Self(u16::try_from(number).expect("below 4,096"))
    }

    /// Its number, 0 to 4,095.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The cluster's secret, drawn once when it was founded: salts placement, so that nobody outside can aim customers at
/// one partition, and keys the fingerprints of event ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClusterKey([u8; 16]);

impl ClusterKey {
    /// Wraps 16 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for storage.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for ClusterKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ClusterKey(…)")
    }
}

/// The slot of a customer: `xxh3(cluster salt, workspace, customer id) mod 4096` (DESIGN section 2), each part led by
/// its length so that two keys never run into one another.
#[must_use]
pub fn slot_of(key: &ClusterKey, customer: &CustomerKey) -> Slot {
    Slot::of_hash(customer_hash(key, customer))
}

/// The hash that gives a customer its slot, whole. Salted, so that nobody outside can choose customers whose hashes
/// meet.
#[must_use]
pub fn customer_hash(key: &ClusterKey, customer: &CustomerKey) -> u64 {
    let parts = [
        &key.0[..],
        customer.workspace.as_str().as_bytes(),
        customer.customer.as_str().as_bytes(),
    ];
    // In one go where the parts are short, as they nearly always are: three times as fast as piece by piece.
    let mut joined = [0; 128];
    let mut n_joined = 0;
    for part in parts {
        let end = n_joined + size_of::<u64>() + part.len();
        let Some(room) = joined.get_mut(n_joined..end) else {
            return hash_piecewise(parts);
        };
        let (length, bytes) = room.split_at_mut(size_of::<u64>());
        length.copy_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.copy_from_slice(part);
        n_joined = end;
    }
    xxh3_64(&joined[..n_joined])
}

fn hash_piecewise(parts: [&[u8]; 3]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.digest()
}

/// 16 bytes that stand for an event id, or that of an enroll call, in the window of remembered ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The keyed fingerprint (SipHash-2-4, 128 bits) of an event id of a source.
    #[must_use]
    pub fn of(key: &ClusterKey, source: &SourceName, id: &EventId) -> Self {
        let mut hasher = SipHasher24::new_with_key(&key.0);
        hasher.write(&(source.as_str().len() as u64).to_be_bytes());
        hasher.write(source.as_str().as_bytes());
        hasher.write(id.as_str().as_bytes());
        Self(hasher.finish128().as_u128().to_be_bytes())
    }

    /// The keyed fingerprint of the id of an enroll call into a journey. Never that of an event: no source is as long as
    /// its first part says.
    #[must_use]
    pub fn of_enrollment(key: &ClusterKey, journey: &JourneyId, id: &EnrollmentId) -> Self {
        let mut hasher = SipHasher24::new_with_key(&key.0);
        hasher.write(&u64::MAX.to_be_bytes());
        hasher.write(&(journey.as_str().len() as u64).to_be_bytes());
        hasher.write(journey.as_str().as_bytes());
        hasher.write(id.as_str().as_bytes());
        Self(hasher.finish128().as_u128().to_be_bytes())
    }

    /// Wraps stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Fingerprint({:032x})",
            u128::from_be_bytes(self.0)
        )
    }
}

#[cfg(test)]
mod tests;
