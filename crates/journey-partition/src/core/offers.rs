//! Effects that wait for a worker, found by destination without looking at customers: a bounded index over the outboxes of
//! subscribed destinations, filled by paging through the replica where it does not hold everything.

use std::collections::{BTreeMap, BTreeSet};

use journey_customer::CustomerState;
use journey_types::{CustomerKey, Destination, Sequence, Timestamp, WorkspaceId};

use crate::core::api::Destinations;
use crate::core::limits::OFFERING_CUSTOMERS_MAX;

/// An effect that may be claimed from an instant on. Of each (customer, channel) only the oldest is offered, calls and
/// tasks all are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offer {
    pub(crate) from: Timestamp,
    pub(crate) customer: CustomerKey,
    pub(crate) effect: Sequence,
}

/// How far the replica was looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Paging {
    /// The index holds every offer.
    Complete,
    /// The next page begins after this customer. `skipped`: the pass met a full index.
    After {
        customer: Option<CustomerKey>,
        skipped: bool,
    },
}

/// The offers in memory.
///
/// # Invariants
/// `by_queue` and `by_customer` hold the same offers.
#[derive(Debug)]
pub(crate) struct Offers {
    by_queue: BTreeMap<WorkspaceId, BTreeMap<Destination, BTreeSet<Offer>>>,
    by_customer: BTreeMap<CustomerKey, Vec<(Destination, Offer)>>,
    wanted: BTreeMap<WorkspaceId, Destinations>,
    paging: Paging,
    customers_max: usize,
}

impl Offers {
    pub(crate) const fn new() -> Self {
        Self::with_cap(OFFERING_CUSTOMERS_MAX)
    }

    pub(crate) const fn with_cap(customers_max: usize) -> Self {
        Self {
            by_queue: BTreeMap::new(),
            by_customer: BTreeMap::new(),
            wanted: BTreeMap::new(),
            paging: Paging::Complete,
            customers_max,
        }
    }

    /// Takes note of what the workers want; looks through the replica again only if that changed.
    pub(crate) fn want(&mut self, wanted: BTreeMap<WorkspaceId, Destinations>) {
        if wanted != self.wanted {
            self.restart(wanted);
        }
    }

    /// Forgets everything and looks through the replica again, as at the beginning of a session.
    pub(crate) fn restart(&mut self, wanted: BTreeMap<WorkspaceId, Destinations>) {
        self.by_queue.clear();
        self.by_customer.clear();
        self.paging = if wanted.is_empty() {
            Paging::Complete
        } else {
            Paging::After {
                customer: None,
                skipped: false,
            }
        };
        self.wanted = wanted;
    }

    pub(crate) fn len(&self) -> usize {
        self.by_customer.values().map(Vec::len).sum()
    }

    /// Sets a customer's offers from its head; none before `not_before`, none of `claimed`.
    pub(crate) fn update(
        &mut self,
        state: &CustomerState,
        not_before: Timestamp,
        claimed: &[Sequence],
    ) {
        self.remove(&state.key);
        let Some(wanted) = self.wanted.get(&state.key.workspace) else {
            return;
        };
        if state.outbox.is_empty() {
            return;
        }
        let rows = state
            .offerable_effects()
            .filter(|(_, row)| wanted.contains(&row.destination) && !claimed.contains(&row.effect));
        let offers: Vec<(Destination, Offer)> = rows
            .map(|(from, row)| {
                let offer = Offer {
                    from: from.max(not_before),
                    customer: state.key.clone(),
                    effect: row.effect,
                };
                (row.destination.clone(), offer)
            })
            .collect();
        if offers.is_empty() {
            return;
        }
        if self.by_customer.len() >= self.customers_max {
            self.note_skipped();
            return;
        }
        for (destination, offer) in &offers {
            let queues = self
                .by_queue
                .entry(state.key.workspace.clone())
                .or_default();
            queues
                .entry(destination.clone())
                .or_default()
                .insert(offer.clone());
        }
        self.by_customer.insert(state.key.clone(), offers);
    }

    /// Whether any offer of the customer is in memory.
    pub(crate) fn holds(&self, customer: &CustomerKey) -> bool {
        self.by_customer.contains_key(customer)
    }

    /// Takes a customer's offers out.
    pub(crate) fn remove(&mut self, customer: &CustomerKey) {
        let Some(offers) = self.by_customer.remove(customer) else {
            return;
        };
        for (destination, offer) in offers {
            self.remove_from_queue(&destination, &offer);
        }
    }

    /// The offer that has waited longest of those a worker takes, if it may be claimed at the stamp.
    pub(crate) fn first(
        &self,
        workspace: &WorkspaceId,
        destinations: &Destinations,
        stamp: Timestamp,
    ) -> Option<Offer> {
        let queues = self.by_queue.get(workspace)?.iter();
        let heads = queues
            .filter(|(destination, _)| destinations.contains(destination))
            .filter_map(|(_, queue)| queue.first());
        heads.filter(|offer| offer.from <= stamp).min().cloned()
    }

    /// The customer's offers that may be claimed at the stamp, of those that have waited longest in their queue.
    pub(crate) fn first_of(
        &self,
        customer: &CustomerKey,
        stamp: Timestamp,
    ) -> Vec<(Destination, Offer)> {
        let Some(queues) = self.by_queue.get(&customer.workspace) else {
            return Vec::new();
        };
        let offers = self.by_customer.get(customer).into_iter().flatten();
        let first = offers.filter(|(destination, offer)| {
            let queue = queues.get(destination);
            offer.from <= stamp && queue.and_then(BTreeSet::first) == Some(offer)
        });
        first.cloned().collect()
    }

    /// Takes one offer out, because its claim begins.
    pub(crate) fn take(&mut self, offer: &Offer) {
        let Some(offers) = self.by_customer.get_mut(&offer.customer) else {
            return;
        };
        let Some(position) = offers.iter().position(|(_, held)| held == offer) else {
            return;
        };
        let (destination, taken) = offers.swap_remove(position);
        if offers.is_empty() {
            self.by_customer.remove(&offer.customer);
        }
        self.remove_from_queue(&destination, &taken);
    }

    /// When the next offer may be claimed: of the queue heads, the earliest.
    pub(crate) fn next_from(&self) -> Option<Timestamp> {
        let queues = self.by_queue.values().flat_map(BTreeMap::values);
        let heads = queues.filter_map(BTreeSet::first);
        heads.map(|offer| offer.from).min()
    }

    /// After which customer the next page begins, when more is to be found and there is room for it.
    pub(crate) fn next_page(&self) -> Option<Option<&CustomerKey>> {
        let has_room = self.by_customer.len() * 2 <= self.customers_max;
        match &self.paging {
            Paging::After { customer, .. } if has_room => Some(customer.as_ref()),
            Paging::After { .. } | Paging::Complete => None,
        }
    }

    /// A page was looked through, up to this customer; `None`: it was the last.
    pub(crate) fn page_done(&mut self, last: Option<CustomerKey>) {
        let Paging::After { customer, skipped } = &mut self.paging else {
            return;
        };
        match last {
            Some(last) => *customer = Some(last),
            None if *skipped => {
                let again = Paging::After {
                    customer: None,
                    skipped: false,
                };
                self.paging = again;
            }
            None => self.paging = Paging::Complete,
        }
    }

    fn note_skipped(&mut self) {
        match &mut self.paging {
            Paging::Complete => {
                self.paging = Paging::After {
                    customer: None,
                    skipped: false,
                };
            }
            Paging::After { skipped, .. } => *skipped = true,
        }
    }

    fn remove_from_queue(&mut self, destination: &Destination, offer: &Offer) {
        let workspace = &offer.customer.workspace;
        let Some(queues) = self.by_queue.get_mut(workspace) else {
            return;
        };
        if let Some(offers) = queues.get_mut(destination) {
            offers.remove(offer);
            if offers.is_empty() {
                queues.remove(destination);
            }
        }
        if queues.is_empty() {
            self.by_queue.remove(workspace);
        }
    }
}

#[cfg(test)]
mod tests;
