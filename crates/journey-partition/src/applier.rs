//! Takes committed entries into the replica, for whichever consensus drives it, and tells readers how far it is.

use std::sync::Arc;

use bytes::Bytes;
use journey_codec::JournalEntry;
use journey_types::Lsn;
use tokio::sync::watch;

use crate::decided::DecidedEntry;
use crate::error::PartitionError;
use crate::replica::{
    ApplyVerdict, CheckpointProgress, Checkpointer, MemoryPressure, SharedReplica,
    SnapshotReceiver, SnapshotSender,
};

/// An entry as it comes out of consensus.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its place.
    pub lsn: Lsn,
    /// `None` for entries that only consensus uses.
    pub entry: Option<EntryForm>,
}

/// The two forms an entry comes in: as decided where this node proposed it, bytes elsewhere.
#[derive(Debug, Clone)]
pub enum EntryForm {
    /// As it was decided here.
    Decided(Arc<DecidedEntry>),
    /// As it lies in the log.
    Encoded(Bytes),
}

/// The one writer of a replica.
#[derive(Debug)]
pub struct Applier {
    replica: SharedReplica,
    applied: watch::Sender<Lsn>,
}

impl Applier {
    /// The applier of a replica, and where its progress can be watched.
    #[must_use]
    pub fn new(replica: SharedReplica) -> (Self, watch::Receiver<Lsn>) {
        let (applied, watched) = watch::channel(replica.lock().applied());
        (Self { replica, applied }, watched)
    }

    /// The durable floor and the blob of consensus as of it.
    #[must_use]
    pub fn floor(&self) -> (Lsn, Option<Bytes>) {
        let replica = self.replica.lock();
        (replica.floor(), replica.consensus_blob())
    }

    /// Applies entries in order, one verdict each. The replica is locked throughout, so that a checkpoint always
    /// stands at the end of a call, where `consensus` fits.
    ///
    /// # Errors
    /// What stops the partition: an entry that does not decode, a broken chain, a failing disk.
    #[tracing::instrument(level = "debug", name = "apply", skip_all, fields(partition_id))]
    pub fn apply(
        &mut self,
        entries: &[Committed],
        consensus: &Bytes,
    ) -> Result<Vec<ApplyVerdict>, PartitionError> {
        self.make_room()?;
        // Decoded before anything is applied: a floor must never stand inside a call, where `consensus` does not fit.
        let ready: Result<Vec<_>, PartitionError> = entries.iter().map(make_ready).collect();
        let mut replica = self.replica.lock();
        let ready = ready.map_err(|error| replica.halt(error))?;
        tracing::Span::current().record("partition_id", replica.partition().get());
        let mut verdicts = Vec::with_capacity(entries.len());
        for (committed, ready) in entries.iter().zip(&ready) {
            let lsn = committed.lsn;
            tell(lsn, ready);
            verdicts.push(match ready {
                Ready::OfConsensus => replica.apply(lsn, None, consensus)?,
                Ready::Decided(decided) => replica.apply_decided(lsn, decided, consensus)?,
                Ready::Decoded(entry) => replica.apply(lsn, Some(entry), consensus)?,
            });
        }
        let applied = replica.applied();
        drop(replica);
        self.applied.send_replace(applied);
        Ok(verdicts)
    }

    /// Where customers that cannot be dropped fill the memory they may take, writes some of them before more are
    /// changed: proposals in flight are few, so whoever decides waits for this as well.
    fn make_room(&self) -> Result<(), PartitionError> {
        while self.replica.lock().memory_pressure() == MemoryPressure::Full {
            if Checkpointer.step(&self.replica)? == CheckpointProgress::Idle {
                break;
            }
        }
        Ok(())
    }

    /// The last entry applied.
    #[must_use]
    pub fn applied(&self) -> Lsn {
        self.replica.lock().applied()
    }

    /// Opens a snapshot at the last entry applied.
    ///
    /// # Errors
    /// As [`SnapshotSender::open`].
    pub fn open_snapshot(&self) -> Result<SnapshotSender, PartitionError> {
        SnapshotSender::open(&self.replica)
    }

    /// Begins to receive a snapshot beside the replica.
    ///
    /// # Errors
    /// As [`SnapshotReceiver::open`].
    pub fn receive_snapshot(&self) -> Result<SnapshotReceiver, PartitionError> {
        let options = self.replica.lock().options();
        SnapshotReceiver::open(options)
    }

    /// Makes what was received the replica's state.
    ///
    /// # Errors
    /// As [`SnapshotReceiver::install_into`]; the replica is stopped then.
    pub fn install(&mut self, received: SnapshotReceiver) -> Result<Lsn, PartitionError> {
        let installed = received.install_into(&self.replica);
        let at = installed.map_err(|error| self.replica.lock().halt(error))?;
        self.applied.send_replace(at);
        Ok(at)
    }

    /// How far the log may be purged; see [`crate::Replica::purge_limit`].
    #[must_use]
    pub fn purge_limit(&self) -> Lsn {
        self.replica.lock().purge_limit()
    }

    /// Makes everything applied durable and returns the floor.
    ///
    /// # Errors
    /// A failing disk.
    pub fn checkpoint(&mut self) -> Result<Lsn, PartitionError> {
        Checkpointer.run_to_floor(&self.replica)
    }
}

/// What this node decided is told at DEBUG, what comes from elsewhere or is replayed at TRACE.
fn tell(lsn: Lsn, ready: &Ready<'_>) {
    match ready {
        Ready::OfConsensus => {}
        Ready::Decided(_) => tracing::debug!(lsn = lsn.get(), "entry applied"),
        Ready::Decoded(_) => tracing::trace!(lsn = lsn.get(), "entry applied"),
    }
}

/// An entry that can be applied.
enum Ready<'a> {
    OfConsensus,
    Decided(&'a DecidedEntry),
    Decoded(JournalEntry),
}

fn make_ready(committed: &Committed) -> Result<Ready<'_>, PartitionError> {
    match &committed.entry {
        None => Ok(Ready::OfConsensus),
        Some(EntryForm::Decided(decided)) => Ok(Ready::Decided(decided)),
        Some(EntryForm::Encoded(bytes)) => {
            let (lsn, decoded) = (committed.lsn, journey_codec::decode_entry(bytes));
            let undecodable = |error: journey_codec::CodecError| PartitionError::Undecodable {
                lsn,
                reason: error.to_string(),
            };
            decoded.map(Ready::Decoded).map_err(undecodable)
        }
    }
}
