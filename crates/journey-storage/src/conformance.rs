//! What every engine must do, as claims that any engine can be held to; sled and memory both are.
//!
//! [`holds_the_contract`] runs the claims of [`Engine`]; [`crash`] is a workload whose every surviving state can be
//! recognised, for engines that are killed or lose their power.

mod claims;
pub mod crash;
#[cfg(test)]
pub(crate) mod model;

use std::sync::Arc;

use crate::engine::Engine;
use crate::error::StorageError;

/// The longest value that a database under test must take: that of the state database.
pub const VALUE_SIZE_BYTES_MAX: usize = crate::limits::STATE_VALUE_SIZE_BYTES_MAX;

/// One database under test, made with [`VALUE_SIZE_BYTES_MAX`].
pub trait Fixture {
    /// Opens the database, or opens again what the handles before have left. The caller has dropped them.
    ///
    /// # Errors
    /// What the engine says.
    fn open(&self) -> Result<Arc<dyn Engine>, StorageError>;
}

/// Runs every claim on a fresh database.
///
/// # Panics
/// With the name of the first claim that does not hold, or of which a call failed.
pub fn holds_the_contract<F: Fixture>(fresh: impl Fn() -> F) {
    for (name, claim) in claims::ALL {
        if let Err(error) = claim(&fresh()) {
            panic!("{name}: {error}");
        }
    }
}
