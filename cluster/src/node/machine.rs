//! A partition's applier as the state machine of its Raft group.

use std::any::Any;

use bytes::Bytes;
use journey_consensus::{
    ApplyOutcome, CommittedEntry, OpenSnapshot, Payload, SnapshotPiece, SnapshotSink,
    SnapshotSource, StateMachine,
};
use journey_partition::{
    Applier, ApplyVerdict, Committed, DecidedEntry, EntryForm, SnapshotChunk, SnapshotReceiver,
    SnapshotSender,
};
use journey_types::Lsn;

/// Hands committed entries to the applier.
#[derive(Debug)]
pub(crate) struct PartitionMachine {
    applier: Applier,
}

impl PartitionMachine {
    pub(crate) const fn new(applier: Applier) -> Self {
        Self { applier }
    }
}

impl StateMachine for PartitionMachine {
    fn applied(&self) -> (u64, Option<Bytes>) {
        let (floor, consensus) = self.applier.floor();
        (floor.get(), consensus)
    }

    fn apply(
        &mut self,
        entries: &[CommittedEntry],
        consensus: Bytes,
    ) -> Result<Vec<ApplyOutcome>, String> {
        let committed: Vec<Committed> = entries
            .iter()
            .map(|entry| Committed {
                lsn: Lsn::new(entry.index),
                entry: entry.payload.as_ref().map(form),
            })
            .collect();
        let verdicts = self
            .applier
            .apply(&committed, &consensus)
            .map_err(|error| error.to_string())?;
        Ok(verdicts.into_iter().map(outcome).collect())
    }

    fn checkpoint(&mut self) -> Result<u64, String> {
        self.applier
            .checkpoint()
            .map(Lsn::get)
            .map_err(|error| error.to_string())
    }

    fn open_snapshot(&mut self) -> Result<OpenSnapshot, String> {
        let sender = self.applier.open_snapshot();
        let sender = sender.map_err(|error| error.to_string())?;
        Ok(OpenSnapshot {
            index: sender.at().get(),
            consensus: sender.consensus(),
            source: Box::new(Outgoing(sender)),
        })
    }

    fn receive_snapshot(&mut self) -> Result<Box<dyn SnapshotSink>, String> {
        let receiver = self.applier.receive_snapshot();
        let receiver = receiver.map_err(|error| error.to_string())?;
        Ok(Box::new(Incoming(receiver)))
    }

    fn install(&mut self, received: Box<dyn Any + Send>) -> Result<(), String> {
        let received = received.downcast::<Incoming>();
        let received = received.map_err(|_| "what was received is no partition".to_owned())?;
        let installed = self.applier.install(received.0);
        installed.map(|_| ()).map_err(|error| error.to_string())
    }

    fn purge_limit(&self) -> u64 {
        self.applier.purge_limit().get()
    }
}

/// A partition's snapshot on its way to another replica.
struct Outgoing(SnapshotSender);

impl SnapshotSource for Outgoing {
    fn next_piece(&mut self) -> Result<Option<SnapshotPiece>, String> {
        let chunk = self.0.next_chunk().map_err(|error| error.to_string())?;
        Ok(chunk.map(|chunk| SnapshotPiece {
            offset: chunk.offset,
            bytes: chunk.bytes,
            is_last: chunk.is_last,
        }))
    }
}

/// A partition's snapshot on its way in.
struct Incoming(SnapshotReceiver);

impl SnapshotSink for Incoming {
    fn take(&mut self, piece: &SnapshotPiece) -> Result<(), String> {
        let chunk = SnapshotChunk {
            offset: piece.offset,
            bytes: piece.bytes.clone(),
            is_last: piece.is_last,
        };
        self.0.take(&chunk).map_err(|error| error.to_string())
    }

    fn finish(&mut self) -> Result<(), String> {
        self.0.finish().map_err(|error| error.to_string())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

fn form(payload: &Payload) -> EntryForm {
    let decided = payload
        .decoded
        .clone()
        .and_then(|decoded| decoded.downcast::<DecidedEntry>().ok());
    match decided {
        Some(decided) => EntryForm::Decided(decided),
        None => EntryForm::Encoded(payload.bytes.clone()),
    }
}

const fn outcome(verdict: ApplyVerdict) -> ApplyOutcome {
    match verdict {
        ApplyVerdict::Applied => ApplyOutcome::Applied,
        ApplyVerdict::Superseded => ApplyOutcome::Superseded,
    }
}
