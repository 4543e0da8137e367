//! A partition's applier as the state machine of its Raft group.

use bytes::Bytes;
use journey_consensus::{ApplyOutcome, CommittedEntry, Payload, StateMachine};
use journey_partition::{Applier, ApplyVerdict, Committed, DecidedEntry, EntryForm};
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

    fn purge_limit(&self) -> u64 {
        self.applier.purge_limit().get()
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
