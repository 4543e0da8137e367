//! What clients were told, and what the journal says: kept outside the engine, so that the two can be compared.

use std::collections::{BTreeMap, BTreeSet};

use journey_codec::{JournalEntry, Record};
use journey_customer::{Command, EventBody, JournalEvent, Outcome};
use journey_types::{CustomerKey, EventId, Fingerprint, Lsn, Sequence, Timestamp};

use crate::world::CLUSTER_KEY;

/// An effect by its customer and the fact that emitted it.
pub(crate) type EffectKey = (CustomerKey, Sequence);

/// Everything seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Ids of enroll calls by what the journal remembers of them.
    pub(crate) enrollments: BTreeMap<Fingerprint, EventId>,
    /// Ids of events and enroll calls answered `accepted`, with the lsn the answer named.
    pub(crate) accepted: BTreeMap<(CustomerKey, EventId), Lsn>,
    /// The same answered `duplicate`.
    pub(crate) duplicates: BTreeSet<(CustomerKey, EventId)>,
    /// Hand-overs by effect: attempts in order.
    pub(crate) hand_overs: BTreeMap<EffectKey, Vec<u32>>,
    /// Outcomes answered `recorded`.
    pub(crate) recorded: BTreeSet<(EffectKey, u32)>,
    /// Ids of which a submission may have been done: it was not refused with words that say otherwise.
    pub(crate) possibly_done: BTreeSet<(CustomerKey, EventId)>,
    /// Serials of the ordered producer that it did not hear of, or that they may be sent again.
    pub(crate) unheard: BTreeSet<u64>,
    /// The highest lsn that an answer named.
    pub(crate) told: Lsn,
    /// Ids of events and enroll calls taken in, as far as applied.
    pub(crate) ingested_ids: BTreeSet<(CustomerKey, EventId)>,
    /// Claims, as far as applied: (effect, attempt).
    pub(crate) claims: BTreeSet<(EffectKey, u32)>,
    /// Outcomes, as far as applied: (effect, attempt).
    pub(crate) settled: BTreeSet<(EffectKey, u32)>,
    /// Facts of valid batches in the order of the journal.
    pub(crate) facts: Vec<(Lsn, CustomerKey, JournalEvent)>,
    /// The highest entry whose facts were taken.
    seen: Lsn,
}

impl Oracle {
    /// Takes the facts of a valid entry, once, however often it is applied again after crashes.
    pub(crate) fn applied(&mut self, lsn: Lsn, entry: &JournalEntry) {
        if lsn <= self.seen {
            return;
        }
        self.seen = lsn;
        let JournalEntry::Batch(batch) = entry else {
            return;
        };
        for record in &batch.records {
            if let Record::Turn(turn) = record {
                for fact in &turn.events {
                    self.note(&turn.customer, fact);
                    self.facts.push((lsn, turn.customer.clone(), fact.clone()));
                }
            }
        }
    }

    fn note(&mut self, customer: &CustomerKey, fact: &JournalEvent) {
        match &fact.body {
            EventBody::EventAccepted {
                fingerprint: Some(_),
                event,
                ..
            } => {
                self.ingested_ids
                    .insert((customer.clone(), event.id.clone()));
            }
            EventBody::EnrollmentAccepted { fingerprint, .. } => {
                let id = (customer.clone(), self.enrollments[fingerprint].clone());
                self.ingested_ids.insert(id);
            }
            EventBody::EffectClaimed {
                effect, attempt, ..
            } => {
                self.claims.insert(((customer.clone(), *effect), *attempt));
            }
            EventBody::EffectSettled {
                effect, attempt, ..
            } => {
                self.settled.insert(((customer.clone(), *effect), *attempt));
            }
            _ => {}
        }
    }

    /// The id by which a command that is taken in is known; an enroll call's is registered.
    pub(crate) fn id_of(&mut self, command: &Command) -> Option<EventId> {
        if let Some((event, _)) = command.event() {
            return Some(event.id.clone());
        }
        let enrollment = command.enrollment()?;
        let (journey, id) = (&enrollment.journey, &enrollment.id);
        let fingerprint = Fingerprint::of_enrollment(&CLUSTER_KEY, journey, id);
        let id = EventId::new(format!("{journey} {id}")).expect("short and plain");
        self.enrollments.insert(fingerprint, id.clone());
        Some(id)
    }

    /// Events and enroll calls taken in, with the stamps at which they were.
    pub(crate) fn ingested(&self) -> BTreeMap<(CustomerKey, EventId), Vec<Timestamp>> {
        let mut ingested: BTreeMap<_, Vec<Timestamp>> = BTreeMap::new();
        for (_, customer, fact) in &self.facts {
            let id = match &fact.body {
                EventBody::EventAccepted {
                    fingerprint: Some(_),
                    event,
                    ..
                } => event.id.clone(),
                EventBody::EnrollmentAccepted { fingerprint, .. } => {
                    self.enrollments[fingerprint].clone()
                }
                _ => continue,
            };
            let stamps = ingested.entry((customer.clone(), id)).or_default();
            stamps.push(fact.stamp);
        }
        ingested
    }

    /// Terminal outcomes in the journal, by effect, counted.
    pub(crate) fn terminal_outcomes(&self) -> BTreeMap<EffectKey, u32> {
        let mut outcomes = BTreeMap::new();
        for (_, customer, fact) in &self.facts {
            if let EventBody::EffectSettled {
                effect, outcome, ..
            } = &fact.body
                && !matches!(
                    outcome,
                    Outcome::FailedForNow { .. } | Outcome::Returned { .. }
                )
            {
                *outcomes.entry((customer.clone(), *effect)).or_insert(0) += 1;
            }
        }
        outcomes
    }

    /// Effects emitted, and effects withdrawn.
    pub(crate) fn emitted_and_withdrawn(&self) -> (BTreeSet<EffectKey>, BTreeSet<EffectKey>) {
        let mut emitted = BTreeSet::new();
        let mut withdrawn = BTreeSet::new();
        for (_, customer, fact) in &self.facts {
            match &fact.body {
                EventBody::MessageGranted(_) | EventBody::WorkEmitted(_) => {
                    emitted.insert((customer.clone(), fact.sequence));
                }
                EventBody::EffectWithdrawn { effect, .. } => {
                    withdrawn.insert((customer.clone(), *effect));
                }
                _ => {}
            }
        }
        (emitted, withdrawn)
    }
}
