//! Applying journal entries: the chain rule, then fact by fact.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{Batch, JournalEntry, Record, Turn};
use journey_customer::{CustomerState, EventBody, JournalEvent, SetAside};
use journey_types::{BatchNumber, Lsn, Sequence, SessionId};

use super::Replica;
use super::place::Place;
use super::residents::ResidentIdx;
use crate::decided::DecidedEntry;
use crate::error::PartitionError;
use crate::limits::ADOPTIONS_PER_CHECK;

/// An entry, with the states behind its turns where this process decided it.
type WithStates<'a> = (&'a JournalEntry, &'a [Arc<CustomerState>]);

/// What became of an entry, the same on every replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyVerdict {
    /// It took effect.
    Applied,
    /// It is void as a whole: only the index moved.
    Superseded,
}

impl Replica {
    /// Applies the entry behind the last one. `entry` is `None` where only the index moves. The entry must be durable
    /// in this replica's own log.
    ///
    /// `consensus` is kept with the floor and must be as of this entry, or as of a later one that is applied before
    /// the replica is unlocked: a checkpoint in between would pair the floor with a blob that is ahead of it, and
    /// entries would be lost. Whoever cannot go on to that entry calls [`Self::halt`].
    ///
    /// # Errors
    /// When the replica is stopped, the entry is not the next one, rows cannot be read, a valid batch holds a fact
    /// out of order, or applying panics. Any of these stops the replica.
    pub fn apply(
        &mut self,
        lsn: Lsn,
        entry: Option<&JournalEntry>,
        consensus: &Bytes,
    ) -> Result<ApplyVerdict, PartitionError> {
        self.apply_any(lsn, entry.map(|entry| (entry, &[][..])), consensus)
    }

    /// As [`Self::apply`], for an entry that this process decided: where the replica's customer stands where the
    /// leader's stood, it takes over the state that the leader made of the same facts.
    ///
    /// # Errors
    /// As [`Self::apply`], and when a state that is held against the facts is not what they make.
    pub fn apply_decided(
        &mut self,
        lsn: Lsn,
        decided: &DecidedEntry,
        consensus: &Bytes,
    ) -> Result<ApplyVerdict, PartitionError> {
        self.apply_any(lsn, Some((decided.entry(), decided.after())), consensus)
    }

    fn apply_any(
        &mut self,
        lsn: Lsn,
        entry: Option<WithStates<'_>>,
        consensus: &Bytes,
    ) -> Result<ApplyVerdict, PartitionError> {
        self.check_running()?;
        let is_next = lsn == self.applied.next() || lsn.get() == 0 && self.applied == lsn;
        let verdict = if is_next {
            // A panic half way would leave half a batch in memory: it must not be read, nor written.
            catch_unwind(AssertUnwindSafe(|| self.apply_entry(lsn, entry))).unwrap_or_else(
                |panic| {
                    Err(PartitionError::ApplyPanicked {
                        partition: self.partition,
                        lsn,
                        reason: panic_text(panic.as_ref()),
                    })
                },
            )
        } else {
            Err(PartitionError::EntryOutOfOrder {
                partition: self.partition,
                lsn,
                applied: self.applied,
            })
        };
        let verdict = verdict.map_err(|error| self.halt(error))?;
        self.applied = lsn;
        self.consensus = Some(consensus.clone());
        self.n_superseded += u64::from(verdict == ApplyVerdict::Superseded);
        Ok(verdict)
    }

    fn apply_entry(
        &mut self,
        lsn: Lsn,
        entry: Option<WithStates<'_>>,
    ) -> Result<ApplyVerdict, PartitionError> {
        match entry {
            None => {}
            Some((JournalEntry::SessionOpened(_), _)) => {
                self.control.session = SessionId::new(lsn.get());
                self.control.next_batch = BatchNumber::new(1);
            }
            Some((JournalEntry::Batch(batch), after)) => {
                let is_valid = batch.session == self.control.session
                    && batch.number == self.control.next_batch;
                if !is_valid {
                    return Ok(ApplyVerdict::Superseded);
                }
                self.control.next_batch = batch.number.next();
                self.apply_batch(lsn, batch, after)?;
            }
        }
        Ok(ApplyVerdict::Applied)
    }

    fn apply_batch(
        &mut self,
        lsn: Lsn,
        batch: &Batch,
        after: &[Arc<CustomerState>],
    ) -> Result<(), PartitionError> {
        let mut after = after.iter();
        for record in &batch.records {
            match record {
                Record::CatalogAdopted(adopted) => {
                    self.control.stamp = self.control.stamp.max(adopted.stamp);
                    self.control.catalog_revision = adopted.revision;
                    self.control.catalog_digest = adopted.digest;
                }
                Record::Turn(turn) => {
                    self.apply_turn(lsn, turn, after.next())?;
                    for event in &turn.events {
                        self.note(lsn, event);
                    }
                }
            }
        }
        Ok(())
    }

    fn apply_turn(
        &mut self,
        lsn: Lsn,
        turn: &Turn,
        after: Option<&Arc<CustomerState>>,
    ) -> Result<(), PartitionError> {
        let place = Place::of(&self.cluster_key, &turn.customer);
        let idx = self.at_hand(&place)?;
        // Also where the rows have the entry already: then they may be torn around the head, and are written again.
        let resident = self.residents.change(idx, lsn);
        let is_behind_rows = lsn > resident.mark();
        if let Some(state) = resident.state_mut().filter(|_| is_behind_rows) {
            self.streams.before_change(&place, state);
            check_order(turn, state).map_err(|found| PartitionError::FactOutOfOrder {
                partition: self.partition,
                lsn,
                customer: turn.customer.clone(),
                found,
                last: state.last_sequence,
            })?;
            match after.filter(|after| is_behind(after, turn)) {
                None => apply_facts(state, turn),
                Some(after) => {
                    let decided = Arc::clone(after);
                    let before = std::mem::replace(state, decided);
                    self.n_adopted += 1;
                    let is_checked = cfg!(debug_assertions)
                        || self.n_adopted.is_multiple_of(ADOPTIONS_PER_CHECK);
                    if is_checked && !is_made_of(after, before, turn) {
                        return Err(PartitionError::DecidedOtherwise {
                            partition: self.partition,
                            lsn,
                            customer: turn.customer.clone(),
                        });
                    }
                }
            }
        }
        self.residents.index(idx, self.timers_far_from());
        self.residents.shrink();
        Ok(())
    }

    /// The customer in memory, with its state, to be changed.
    fn at_hand(&mut self, place: &Place) -> Result<ResidentIdx, PartitionError> {
        if let Some(idx) = self.residents.find(place) {
            self.unpacked(idx, place)?;
            return Ok(idx);
        }
        let read = self.rows.read_customer(place)?;
        let (state, written) = read.map_or_else(
            || (Arc::new(CustomerState::new(place.customer.clone())), None),
            |read| (read.state, Some(read.written)),
        );
        Ok(self.residents.keep(place.clone(), state, written))
    }

    /// What the partition itself learns from a fact. It has no part in the customer's row mark: control is as of the
    /// floor, and counts have marks of their own.
    fn note(&mut self, lsn: Lsn, event: &JournalEvent) {
        self.control.stamp = self.control.stamp.max(event.stamp);
        if matches!(event.body, EventBody::CustomerBorn { .. }) {
            self.control.n_customers += 1;
        }
        self.note_set_aside(&event.body);
        self.counts.count(lsn, event);
    }

    /// What lies set aside, from the facts alone.
    fn note_set_aside(&mut self, fact: &EventBody) {
        let control = &mut self.control;
        if let EventBody::EffectDeadLettered { size_bytes, .. } = fact {
            control.dead_letters.add(*size_bytes);
        } else if let EventBody::CommandQuarantined(command) = fact {
            control.quarantined.add(command.size_bytes);
        } else if matches!(fact, EventBody::CustomerParked { .. }) {
            control.n_parked += 1;
        } else if matches!(fact, EventBody::CustomerReleased) {
            control.n_parked = control.n_parked.saturating_sub(1);
        } else if let EventBody::SetAsideClosed {
            what, size_bytes, ..
        } = fact
        {
            match what {
                SetAside::DeadLetter(_) => control.dead_letters.remove(*size_bytes),
                SetAside::Command(_) => control.quarantined.remove(*size_bytes),
            }
        }
    }
}

/// Whether the facts follow the state and one another; otherwise the one that does not.
fn check_order(turn: &Turn, state: &CustomerState) -> Result<(), Sequence> {
    let mut last = state.last_sequence;
    for event in &turn.events {
        if event.sequence != last.next() {
            return Err(event.sequence);
        }
        last = event.sequence;
    }
    Ok(())
}

fn apply_facts(state: &mut Arc<CustomerState>, turn: &Turn) {
    let state = Arc::make_mut(state);
    for event in &turn.events {
        journey_customer::apply(state, event);
    }
}

/// Whether the state stands right behind the turn.
fn is_behind(after: &CustomerState, turn: &Turn) -> bool {
    let last = turn.events.last().map(|event| event.sequence);
    last == Some(after.last_sequence) && after.key == turn.customer
}

fn is_made_of(after: &CustomerState, before: Arc<CustomerState>, turn: &Turn) -> bool {
    let mut applied = before;
    apply_facts(&mut applied, turn);
    *applied == *after
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
