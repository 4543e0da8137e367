//! The hash by which replicas find out that they hold the same: over decoded state, never over stored bytes.

use journey_customer::CustomerState;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::control::Control;
use crate::counts::JourneyCounts;
use crate::customer::write_state;
use crate::wire::Writer;
use crate::wire::message::Message;

fn canonical<'c>(
    customer: Option<&'c journey_types::CustomerKey>,
    write: impl FnOnce(&mut Writer<'c>),
) -> u128 {
    let mut out = Writer::new(customer);
    out.canonical = true;
    write(&mut out);
    xxh3_128(&out.into_bytes())
}

/// The hash of everything that is known of a customer: the same on every machine and for every way that led there.
/// Doubles that are equal hash alike (-0.0 as 0.0), every NaN as one.
#[must_use]
pub fn state_hash(state: &CustomerState) -> u128 {
    canonical(Some(&state.key), |out| write_state(state, out))
}

/// The hash of a partition's control state.
#[must_use]
pub fn control_hash(control: &Control) -> u128 {
    canonical(None, |out| control.write_fields(out))
}

/// The hash of the counts of one version.
#[must_use]
pub fn counts_hash(counts: &JourneyCounts) -> u128 {
    canonical(None, |out| counts.write_fields(out))
}

/// Makes one hash of many, in the order in which they are given.
#[derive(Clone, Default)]
pub struct HashChain(Xxh3);

impl HashChain {
    /// Takes one in.
    pub fn push(&mut self, hash: u128) {
        self.0.update(&hash.to_be_bytes());
    }

    /// The hash of all so far.
    #[must_use]
    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

impl std::fmt::Debug for HashChain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "HashChain({:032x})", self.finish())
    }
}

#[cfg(test)]
mod tests;
