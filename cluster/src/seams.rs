//! Where tests reach into a node: nothing of it is set outside of them.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use journey_partition::Decide;
use journey_storage::Engine;

/// Puts an engine in front of another one.
pub type WrapEngine = Arc<dyn Fn(Arc<dyn Engine>) -> Arc<dyn Engine> + Send + Sync>;

/// What a test puts between the parts of a node.
#[derive(Clone, Default)]
pub struct Seams {
    /// In front of the log's database, to let a flush hang or fail.
    pub log_engine: Option<WrapEngine>,
    /// In the place of `journey_customer::decide`, to put a fault around it.
    pub decide: Option<Decide>,
    /// Before the arguments of a node that this one starts, where the executable is several programs.
    pub leading: Vec<OsString>,
}

impl fmt::Debug for Seams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seams")
    }
}
