//! Effects on their way to workers: offers are found, claimed as commands of their customers, and handed over when
//! the claim is applied (`settling`).

use std::sync::Arc;

use journey_customer::{Command, OutboxRow, Outcome};
use journey_types::{CustomerKey, Sequence, Timestamp};

use crate::core::PartitionCore;
use crate::core::api::{Subscription, WorkerId};
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Lifecycle, Mail, Origin};
use crate::core::limits::{CLAIMS_WAITING_MAX, OFFERS_LOADED_AT_ONCE};
use crate::core::session::Leadership;
use crate::error::PartitionError;

impl PartitionCore {
    pub(crate) fn subscribe(&mut self, subscription: Subscription) {
        let worker = subscription.worker;
        if self.workers.subscribe(subscription) {
            self.offers.want(self.workers.wanted());
        } else {
            self.counters.n_workers_refused += 1;
            tracing::warn!(
                worker_id = worker.0,
                "too many worker streams, one gets nothing"
            );
        }
    }

    pub(crate) fn unsubscribe(&mut self, worker: WorkerId) {
        if self.workers.unsubscribe(worker) {
            self.offers.want(self.workers.wanted());
        }
    }

    pub(crate) fn give_credit_back(&self, worker: WorkerId) {
        if let Some(subscription) = self.workers.get(worker) {
            subscription.credit.add(1);
        }
    }

    /// Begins claims for workers with credit: workspaces in turn, so that none waits behind a deep outbox of another,
    /// and the workers of each in turn.
    pub(crate) fn begin_claims(&mut self, now: Timestamp) {
        let stamp = self.clock.peek(now);
        if self.offers.next_from().is_none_or(|from| from > stamp) {
            return;
        }
        let mut workspaces = self.workers.in_turn();
        while !workspaces.is_empty() {
            for workers in &mut workspaces {
                if self.n_claims_waiting >= CLAIMS_WAITING_MAX {
                    return;
                }
                // One that has no credit, or that nothing is offered to, has had its turn.
                while let Some(worker) = workers.pop_front() {
                    if self.begin_claim(worker, stamp) {
                        workers.push_back(worker);
                        break;
                    }
                }
            }
            workspaces.retain(|workers| !workers.is_empty());
        }
    }

    /// The claim of an effect that the customer's last turn has just offered, where credit waits for it and nothing
    /// offered before it does: it goes with the same batch, so that no further round is needed.
    pub(crate) fn claim_at_once(
        &mut self,
        idx: HostedIdx,
        now: Timestamp,
    ) -> Option<(HostedIdx, Mail)> {
        let hosted = self.customers.get(idx);
        if hosted.is_paused() || hosted.lifecycle == Lifecycle::Quarantined {
            return None;
        }
        let stamp = self.clock.peek(now);
        for (destination, offer) in self.offers.first_of(&hosted.key, stamp) {
            let workspace = &offer.customer.workspace;
            let Some(worker) = self.workers.next_with_credit(workspace, &destination) else {
                continue;
            };
            self.offers.take(&offer);
            return Some((idx, claim_mail(worker, offer.effect, stamp)));
        }
        None
    }

    /// Begins one claim; answers whether this worker may take another one.
    fn begin_claim(&mut self, worker: WorkerId, stamp: Timestamp) -> bool {
        let Some(subscription) = self.workers.get(worker) else {
            return false;
        };
        let (workspace, destinations) = (&subscription.workspace, &subscription.destinations);
        let Some(offer) = self.offers.first(workspace, destinations, stamp) else {
            return false;
        };
        if !subscription.credit.try_take() {
            return false;
        }
        self.offers.take(&offer);
        let idx = self.customers.host(&offer.customer);
        let hosted = self.customers.get_mut(idx);
        if hosted.lifecycle == Lifecycle::Quarantined {
            self.give_credit_back(worker);
            return true;
        }
        let effect = offer.effect;
        hosted.mail_claim(claim_mail(worker, effect, stamp), effect);
        self.n_claims_waiting += 1;
        self.workers.took(worker);
        self.customers.queue(idx);
        true
    }

    /// An effect did not go out although its claim is applied: nobody works on it, so it need not wait for the claim to
    /// run out. Whoever says so knows that nothing of it was written to a socket.
    pub(crate) fn give_back(&mut self, customer: &CustomerKey, row: &OutboxRow) {
        self.counters.n_claims_unused += 1;
        match &self.leadership {
            Leadership::Follower | Leadership::Stopped { .. } => return,
            Leadership::Waiting { .. } | Leadership::Opening { .. } | Leadership::Leading(_) => {}
        }
        let command = Command::Settle {
            birth: row.birth,
            effect: row.effect,
            attempt: row.attempt,
            outcome: Outcome::Returned { retry_at: None },
        };
        let origin = Origin::Unsent;
        let idx = self.customers.host(customer);
        // At most one for each claim that was applied.
        let mailbox = &mut self.customers.get_mut(idx).mailbox;
        mailbox.push_back(Mail { command, origin });
        self.customers.queue(idx);
    }

    /// Offers to others what was to be claimed for a worker that has gone.
    pub(crate) fn offer_again(&mut self, idx: HostedIdx) {
        let hosted = self.customers.get(idx);
        if let Some(state) = &hosted.head {
            self.offers.update(state, Timestamp::EPOCH, &hosted.claims);
        }
    }

    /// Looks through one more page of outboxes, where the offers in memory are not all there are.
    pub(crate) fn load_offers(&mut self) -> Result<(), PartitionError> {
        let Some(after) = self.offers.next_page() else {
            return Ok(());
        };
        if !self.activations.takes_more() {
            return Ok(());
        }
        let page = self.reader.open_effects(after, OFFERS_LOADED_AT_ONCE)?;
        for customer in &page {
            let idx = self.customers.find(customer);
            let hosted = idx.map(|idx| self.customers.get(idx));
            let (head, claims) = match hosted {
                // Its offers are set when it is released.
                Some(hosted) if hosted.lifecycle == Lifecycle::Quarantined => continue,
                Some(hosted) => (hosted.head.clone(), hosted.claims.clone()),
                None => (None, Vec::new()),
            };
            let state = match head {
                Some(state) => Some(state),
                None => {
                    let loaded = self.reader.load(customer)?;
                    if loaded.was_read {
                        self.activations.loaded();
                    }
                    loaded.state
                }
            };
            if let Some(state) = state {
                self.offers
                    .update(&Arc::clone(&state), Timestamp::EPOCH, &claims);
            }
        }
        let is_last = page.len() < OFFERS_LOADED_AT_ONCE;
        self.offers
            .page_done(if is_last { None } else { page.last().cloned() });
        self.has_more |= self.offers.next_page().is_some();
        Ok(())
    }
}

/// The command that claims an effect for a worker; `until` follows from the stamp of its turn, its name from the stream.
fn claim_mail(worker: WorkerId, effect: Sequence, stamp: Timestamp) -> Mail {
    let until = stamp;
    Mail {
        command: Command::Claim {
            effect,
            until,
            worker: String::new(),
        },
        origin: Origin::Worker { worker, effect },
    }
}
