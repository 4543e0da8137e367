//! The stable name of an effect: a worker's idempotency key.

use std::fmt;
use std::str::FromStr;

use crate::error::InvalidId;
use crate::ids::{CustomerId, CustomerKey, WorkspaceId};
use crate::numbers::{BirthIndex, Incarnation, Sequence};
use crate::percent;

/// Which cluster, and which life of it, effects come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectOrigin {
    /// The cluster's id, drawn once when it was founded.
    pub cluster_id: u64,
    /// Raised by a restore from backup.
    pub incarnation: Incarnation,
}

/// Names one effect for ever: (cluster, incarnation, workspace, customer, birth index, sequence, ordinal) of
/// DESIGN section 6. Two effects never share it and a redelivery never changes it.
///
/// Wire form: `e1~<cluster hex>~<incarnation>~<workspace>~<customer>~<birth>~<sequence>~<ordinal>`, workspace and
/// customer percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId {
    /// The cluster and its life.
    pub origin: EffectOrigin,
    /// Whose effect it is.
    pub customer: CustomerKey,
    /// The customer's life.
    pub birth: BirthIndex,
    /// The journal event that emitted it.
    pub sequence: Sequence,
    /// Tells effects of one journal event apart; 0 for the first.
    pub ordinal: u32,
}

impl fmt::Display for EffectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "e1~{:016x}~{}~{}~{}~{}~{}~{}",
            self.origin.cluster_id,
            self.origin.incarnation,
            percent::encode(self.customer.workspace.as_str()),
            percent::encode(self.customer.customer.as_str()),
            self.birth,
            self.sequence,
            self.ordinal
        )
    }
}

impl FromStr for EffectId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parse = || {
            let parts: Vec<&str> = text.split('~').collect();
            let [
                version,
                cluster,
                incarnation,
                workspace,
                customer,
                birth,
                sequence,
                ordinal,
            ] = parts.as_slice()
            else {
                return None;
            };
            if *version != "e1" {
                return None;
            }
            Some(Self {
                origin: EffectOrigin {
                    cluster_id: u64::from_str_radix(cluster, 16).ok()?,
                    incarnation: Incarnation::new(incarnation.parse().ok()?),
                },
                customer: CustomerKey {
                    workspace: WorkspaceId::new(percent::decode(workspace)?).ok()?,
                    customer: CustomerId::new(percent::decode(customer)?).ok()?,
                },
                birth: BirthIndex::new(birth.parse().ok()?),
                sequence: Sequence::new(sequence.parse().ok()?),
                ordinal: ordinal.parse().ok()?,
            })
        };
        parse().ok_or_else(|| InvalidId::Malformed {
            kind: "effect id",
            text: text.to_owned(),
            form: "e1~cluster~incarnation~workspace~customer~birth~sequence~ordinal, as handed to the worker",
        })
    }
}

#[cfg(test)]
mod tests;
