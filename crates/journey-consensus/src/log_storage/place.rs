//! Which log an error speaks of: the database and the group.

use std::sync::Arc;

use crate::record::{FORMAT, RecordFault};
use crate::{ConsensusError, GroupId};

/// A group's log in a database.
#[derive(Debug, Clone)]
pub(crate) struct LogPlace {
    /// The database's folder.
    pub(crate) log: Arc<str>,
    pub(crate) group: GroupId,
}

impl LogPlace {
    /// Something at that index does not fit.
    pub(crate) fn damaged(&self, index: u64, reason: String) -> ConsensusError {
        ConsensusError::Damaged {
            log: self.log.to_string(),
            group: self.group,
            index,
            reason,
        }
    }

    /// An entry does not read.
    pub(crate) fn faulty_entry(&self, index: u64, fault: RecordFault) -> ConsensusError {
        match fault {
            RecordFault::Format { found } => self.newer(format!("entry {index}"), found),
            RecordFault::Damaged(reason) => self.damaged(index, reason),
        }
    }

    /// A row beside the entries, such as `its vote`, does not read.
    pub(crate) fn faulty_row(&self, row: &str, fault: RecordFault) -> ConsensusError {
        match fault {
            RecordFault::Format { found } => self.newer(row.to_owned(), found),
            RecordFault::Damaged(reason) => {
                self.damaged(0, format!("{row} does not read back: {reason}"))
            }
        }
    }

    fn newer(&self, row: String, found: u8) -> ConsensusError {
        ConsensusError::NewerFormat {
            log: self.log.to_string(),
            group: self.group,
            row,
            found,
            supported: FORMAT,
        }
    }
}
