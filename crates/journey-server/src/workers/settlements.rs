//! Outcomes of one stream on their way: no partition waits for another, and nothing else on the stream for any of them.
//!
//! ```text
//!   outcomes ──► waiting for their partition ──► under way, one settlement of each partition ──► results
//! ```
//!
//! Of each partition one settlement is under way, so that outcomes of one effect are recorded in the order in which they
//! were sent; what comes meanwhile goes together with the next. A worker that answers effects one by one is so recorded as
//! fast as one that gathers its answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};
use journey_proto::v1 as wire;
use journey_types::PartitionId;

use super::settle::Settled;
use crate::limits::{OUTCOMES_HELD_MAX, OUTCOMES_PER_MESSAGE_MAX};

/// Where an outcome is recorded; `None`: nowhere, since its id names no effect of this cluster.
pub(super) type Place = Option<PartitionId>;

/// Records outcomes of one place.
pub(super) type Record = Box<dyn Fn(Vec<wire::Outcome>) -> BoxFuture<'static, Settled> + Send>;

/// The outcomes of one stream that have no result yet.
pub(super) struct Settlements {
    record: Record,
    waiting: BTreeMap<Place, VecDeque<wire::Outcome>>,
    busy: BTreeSet<Place>,
    under_way: FuturesUnordered<BoxFuture<'static, (Place, usize, Settled)>>,
    n_held: usize,
}

impl Settlements {
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            waiting: BTreeMap::new(),
            busy: BTreeSet::new(),
            under_way: FuturesUnordered::new(),
            n_held: 0,
        }
    }

    /// Whether more may be added; otherwise the worker waits.
    pub(super) const fn has_room(&self) -> bool {
        self.n_held < OUTCOMES_HELD_MAX
    }

    /// Takes outcomes in, each with its place.
    pub(super) fn add(&mut self, outcomes: impl IntoIterator<Item = (Place, wire::Outcome)>) {
        for (place, outcome) in outcomes {
            self.n_held += 1;
            self.waiting.entry(place).or_default().push_back(outcome);
        }
        let idle = self
            .waiting
            .keys()
            .filter(|place| !self.busy.contains(place));
        for place in idle.copied().collect::<Vec<_>>() {
            self.begin(place);
        }
    }

    /// The next results; never, while there are none to come.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn next(&mut self) -> Settled {
        let Some((place, n_recorded, settled)) = self.under_way.next().await else {
            return std::future::pending().await;
        };
        self.n_held -= n_recorded;
        self.busy.remove(&place);
        self.begin(place);
        settled
    }

    /// Whether results are to come.
    pub(super) const fn is_idle(&self) -> bool {
        self.n_held == 0
    }

    fn begin(&mut self, place: Place) {
        let Some(waiting) = self.waiting.get_mut(&place) else {
            return;
        };
        let n_now = waiting.len().min(OUTCOMES_PER_MESSAGE_MAX);
        let outcomes = waiting.drain(..n_now).collect();
        if waiting.is_empty() {
            self.waiting.remove(&place);
        }
        self.busy.insert(place);
        let settled = (self.record)(outcomes);
        let settling = settled.map(move |settled| (place, n_now, settled));
        self.under_way.push(settling.boxed());
    }
}

#[cfg(test)]
mod tests;
