//! What clients and workers saw of a cluster while it was ill-treated, and whether that may be: the judge stands outside
//! the nodes.
//!
//! ```text
//!   producers ── each customer's events one after another, repeats ──► any node
//!   workers   ◄─ effects, answered at once ── every node
//!   hashes    ◄─ state of every replica at its applied index
//!        └────────────► History ──► what may never be, found at once ──► verdict at the end
//! ```
//!
//! An event is sent again with its id until it is acknowledged, and only then its customer's next one; so the order in
//! which effects of one customer are first seen is known beforehand.

mod events;
mod hashes;
mod produce;
mod trial;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use journey_client::wire;
use journey_client::wire::event_result::Status;
use tokio::time::Instant;

pub use self::events::{JOURNEYS, Nth};
pub use self::hashes::state_hashes;
pub use self::trial::{LoadPlan, Trial};

/// What is kept of one event.
#[derive(Debug, Default)]
struct EventRecord {
    first_sent: Option<Instant>,
    acknowledged: Option<Instant>,
    n_accepted: u32,
}

#[derive(Debug, Default)]
struct Record {
    events: BTreeMap<Nth, EventRecord>,
    /// The serial of the event that each customer is at, and whether it is on its way.
    next: BTreeMap<u32, u32>,
    /// Ids of each effect that is to be: a content for a run.
    effects: BTreeMap<(String, Nth), BTreeSet<String>>,
    hand_overs: BTreeMap<(String, u32), u32>,
    /// Serials of `first` messages of each customer, in the order in which they were first seen.
    order: BTreeMap<u32, Vec<u32>>,
    hashes: BTreeMap<(u32, u64), (String, Vec<u8>)>,
    n_hashes_compared: u64,
    n_repeats: u64,
    n_calls_failed: u64,
    refusals: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

/// What was seen; shared by everybody who sees.
#[derive(Debug, Default)]
pub struct History {
    record: Mutex<Record>,
}

/// The delay of the timer in [`JOURNEYS`].
const TIMER_DELAY: Duration = Duration::from_secs(2);

impl History {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events acknowledged so far.
    #[must_use]
    pub fn n_acknowledged(&self) -> usize {
        let record = self.record();
        let acknowledged = record.events.values();
        acknowledged
            .filter(|event| event.acknowledged.is_some())
            .count()
    }

    /// Of all customers that have sent something, those of whom nothing was acknowledged since.
    #[must_use]
    pub fn silent_since(&self, since: Instant) -> Vec<u32> {
        let record = self.record();
        let mut last: BTreeMap<u32, Option<Instant>> = BTreeMap::new();
        for (nth, event) in &record.events {
            let last = last.entry(nth.customer).or_default();
            *last = (*last).max(event.acknowledged);
        }
        let silent = last
            .into_iter()
            .filter(|(_, last)| last.is_none_or(|last| last < since));
        silent.map(|(customer, _)| customer).collect()
    }

    /// How long each event took that was first sent in a span, from then to its acknowledgement, in ascending order.
    #[must_use]
    pub fn ack_times(&self, span: std::ops::Range<Instant>) -> Vec<Duration> {
        let record = self.record();
        let times = record.events.values().filter_map(|event| {
            let sent = event.first_sent.filter(|sent| span.contains(sent))?;
            Some(event.acknowledged? - sent)
        });
        let mut times: Vec<Duration> = times.collect();
        times.sort();
        times
    }

    /// Calls that got no answer at all.
    #[must_use]
    pub fn n_calls_failed(&self) -> u64 {
        self.record().n_calls_failed
    }

    /// What may never be and was.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        self.record().wrong.clone()
    }

    /// The event that each of these customers is at; those who may begin none and are at none are left out.
    fn due(&self, customers: std::ops::Range<u32>, may_begin: bool) -> Vec<Nth> {
        let mut record = self.record();
        let now = Instant::now();
        let mut due = Vec::new();
        for customer in customers {
            let serial = *record.next.entry(customer).or_default();
            let nth = Nth { customer, serial };
            let is_known = record.events.contains_key(&nth);
            if !is_known && !may_begin {
                continue;
            }
            let event = record.events.entry(nth).or_default();
            event.first_sent.get_or_insert(now);
            due.push(nth);
        }
        due
    }

    fn answered(&self, nth: Nth, result: &wire::EventResult) {
        let mut record = self.record();
        let record = &mut *record;
        let event = record.events.entry(nth).or_default();
        match result.status() {
            Status::Accepted => {
                event.n_accepted += 1;
                if event.n_accepted > 1 {
                    record.wrong.push(format!("{nth} was accepted twice"));
                }
            }
            Status::Duplicate => {}
            Status::Rejected | Status::Unspecified => {
                *record.refusals.entry(result.reason.clone()).or_default() += 1;
                if !result.retry {
                    record
                        .wrong
                        .push(format!("{nth} was refused for good: {result:?}"));
                }
                return;
            }
        }
        event.acknowledged.get_or_insert_with(Instant::now);
        let next = record.next.entry(nth.customer).or_default();
        *next = (*next).max(nth.serial + 1);
    }

    /// An event that was acknowledged before, as chosen by a number drawn by chance.
    fn to_repeat(&self, chance: u32) -> Option<Nth> {
        let record = self.record();
        let n = u32::try_from(record.next.len()).ok()?;
        let customer = chance.checked_rem(n)?;
        let serial = (chance / n).checked_rem(*record.next.get(&customer)?)?;
        Some(Nth { customer, serial })
    }

    fn repeated(&self, nth: Nth, result: &wire::EventResult) {
        let mut record = self.record();
        record.n_repeats += 1;
        if result.status() == Status::Accepted {
            record
                .wrong
                .push(format!("{nth} was acknowledged before and accepted again"));
        }
    }

    fn call_failed(&self) {
        self.record().n_calls_failed += 1;
    }

    fn handed_over(&self, effect: &wire::Effect) {
        let body = effect.rendered.get("body").map(String::as_str);
        let now = Instant::now();
        let mut record = self.record();
        let record = &mut *record;
        let Some(nth) = body.and_then(Nth::of_key) else {
            record
                .wrong
                .push(format!("an effect of nobody: {effect:?}"));
            return;
        };
        let attempt = (effect.effect_id.clone(), effect.attempt);
        let n_times = record.hand_overs.entry(attempt).or_default();
        *n_times += 1;
        if *n_times > 1 {
            record.wrong.push(format!(
                "{} of {nth} was handed over twice as attempt {}",
                effect.effect_id, effect.attempt
            ));
        }
        let content = effect.content.clone();
        let ids = record.effects.entry((content.clone(), nth)).or_default();
        let is_new = ids.is_empty();
        ids.insert(effect.effect_id.clone());
        if ids.len() > 1 {
            record
                .wrong
                .push(format!("{content} of {nth} has several ids: {ids:?}"));
        }
        if is_new {
            record.first_seen(&content, nth, now);
        }
    }

    /// Compares the hash of a replica with what others said of the same partition at the same index.
    fn hashed(&self, node: &str, hash: &journey_proto::internal::StateHash) {
        let mut record = self.record();
        let record = &mut *record;
        let place = (hash.partition, hash.applied_index);
        let known = record.hashes.entry(place);
        let known = known.or_insert_with(|| (node.to_owned(), hash.hash.to_vec()));
        if known.0 == node {
            return;
        }
        record.n_hashes_compared += 1;
        if known.1 != hash.hash {
            record.wrong.push(format!(
                "partition {} differs at {node} and {} after entry {}",
                hash.partition, known.0, hash.applied_index
            ));
        }
    }

    /// One line for people.
    #[must_use]
    pub fn figures(&self) -> String {
        let record = self.record();
        let again = record.hand_overs.len() - record.effects.len().min(record.hand_overs.len());
        format!(
            "{} events, {} repeats, {} calls failed, refused for now: {:?}; {} effects, {again} handed over again; {} \
             hashes compared",
            record.events.len(),
            record.n_repeats,
            record.n_calls_failed,
            record.refusals,
            record.effects.len(),
            record.n_hashes_compared
        )
    }
}

impl Record {
    fn first_seen(&mut self, content: &str, nth: Nth, now: Instant) {
        if content == "first" {
            let order = self.order.entry(nth.customer).or_default();
            if order.last().is_some_and(|last| *last > nth.serial) {
                self.wrong.push(format!(
                    "effects of customer {} came as {order:?}, then {}",
                    nth.customer, nth.serial
                ));
            }
            order.push(nth.serial);
        }
        let sent = self.events.get(&nth).and_then(|event| event.first_sent);
        let Some(sent) = sent else {
            self.wrong
                .push(format!("{content} of {nth}, which was never sent"));
            return;
        };
        if content == "second" && now.duration_since(sent) < TIMER_DELAY {
            self.wrong.push(format!("the timer of {nth} fired early"));
        }
    }
}
