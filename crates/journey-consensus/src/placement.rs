//! Which replica of which partition shall lie where: a pure planner over nodes and table.
//!
//! Never computes on the data path, never moves anything itself: it says which small steps come next, the metadata
//! leader writes them, and each partition's leader carries them out.
//!
//! ```text
//!   nodes, table ─► quotas (how many) ─► target (where, few moves) ─► leaders (which leads) ─► steps (what is next)
//! ```
//!
//! - *Order of candidates*: weighted rendezvous hashing (Thaler and Ravishankar 1998; Schindelhauer and Schomaker 2005 for
//!   the logarithmic form of weights): each node draws a score per partition, and the highest wins. A node that comes or
//!   goes changes no other node's score.
//! - *Bounded load* (Mirrokni, Thorup and Zadimoghaddam 2018): a node that has its share is passed over. Shares are whole
//!   numbers by the divisor method of Sainte-Laguë, which is what makes a join take from everybody and give to nobody but
//!   the one that joined.
//! - *Few moves*: the target starts from the current table and changes only what a lost node, a missing replica, a zone
//!   or balance forces. A node that comes takes its share from everybody. One that goes makes nothing move but what it
//!   held: of all ways to place that the most even one is taken (augmenting paths over what is missing), and replicas move
//!   for balance alone only where a node would be beyond a tenth of its fair share and one.
//! - *No memory*: planned again from what is half done, the same plan goes on.
//! - *Leaders* are evened out along shortest augmenting paths, so that a change touches as few partitions as possible.
//!
//! Start at [`plan`]; [`metadata_voters`] says who votes in the metadata group.

mod leaders;
mod quota;
mod rendezvous;
mod steps;
mod target;
mod voters;

pub use steps::{PlannedStep, plan};
pub use voters::metadata_voters;

/// Replicas of a partition where there are nodes enough: any one may be lost with its disk.
pub const REPLICATION_FACTOR: usize = 3;

#[cfg(test)]
mod tests;
