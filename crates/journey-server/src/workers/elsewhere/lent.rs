//! The credit of one worker that lies with other nodes, and what they handed out against it.

use std::collections::BTreeMap;

use journey_proto::v1 as wire;
use journey_proto::v1::work_request::Request as WorkMessage;
use journey_types::{NodeId, Timestamp};
use journey_wire::timestamp_from_wire;

use super::hop_stream::{HopStream, Incoming, Received};
use crate::router::{Leader, RouteTable};
use crate::workers::credit::Ledger;
use crate::workers::unsent::Unsent;

/// Names an attempt in the worker's words: effect id and number.
pub(super) type AttemptName = (String, u32);

/// One attempt that came from another node and has no outcome yet.
#[derive(Debug)]
pub(super) struct HeldThere {
    until: Timestamp,
    /// What the worker said, on its way there.
    outcome: Option<wire::Outcome>,
}

/// What comes of something that another node sent.
pub(in crate::workers) enum Came {
    /// Nothing for the worker.
    Nothing,
    /// An effect for the worker.
    Effect(Box<wire::Effect>, Unsent),
    /// Results for the worker, and outcomes that have to go another way.
    Results(Vec<wire::OutcomeResult>, Vec<wire::Outcome>),
}

/// The open streams, and what is left of those that broke.
#[derive(Default)]
pub(super) struct Lent {
    streams: BTreeMap<NodeId, HopStream>,
    /// Attempts from streams that broke; each holds one credit.
    orphans: BTreeMap<AttemptName, HeldThere>,
    n_looks: u64,
}

impl Lent {
    pub(super) const fn streams(&self) -> &BTreeMap<NodeId, HopStream> {
        &self.streams
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.orphans.is_empty()
    }

    pub(super) fn opened(&mut self, node: NodeId, mut stream: HopStream) {
        stream.lent_at_look = self.n_looks;
        self.streams.insert(node, stream);
    }

    /// Credit that is not here: with other nodes, or held against them.
    pub(super) fn n_credit(&self) -> u32 {
        let lent: u32 = self.streams.values().map(|stream| stream.lent).sum();
        lent.saturating_add(u32::try_from(self.orphans.len()).unwrap_or(u32::MAX))
    }

    /// Takes in what came.
    pub(super) fn take(&mut self, received: Received, ledger: &mut Ledger) -> Came {
        let Received {
            node,
            generation,
            incoming,
        } = received;
        let Some(stream) = self.streams.get_mut(&node) else {
            return Came::Nothing;
        };
        if stream.generation != generation {
            return Came::Nothing;
        }
        match incoming {
            Incoming::Effect(effect, unsent) => {
                stream.is_active = true;
                let until = effect.until.as_ref().map(timestamp_from_wire);
                let held = HeldThere {
                    until: until.unwrap_or(Timestamp::EPOCH),
                    outcome: None,
                };
                let name = (effect.effect_id.clone(), effect.attempt);
                stream.held.insert(name, held);
                Came::Effect(effect, unsent)
            }
            Incoming::Results(results) => {
                let (mut answered, mut other_ways) = (Vec::new(), Vec::new());
                for result in results {
                    let name = (result.effect_id.clone(), result.attempt);
                    let is_elsewhere = result.retry && result.reason.starts_with("NOT_LEADER");
                    let outcome = stream
                        .held
                        .get_mut(&name)
                        .and_then(|held| held.outcome.take());
                    match outcome {
                        // Led by somebody else by now: the table knows whom to ask.
                        Some(outcome) if is_elsewhere => other_ways.push(outcome),
                        Some(_) | None => {
                            if !result.retry {
                                stream.held.remove(&name);
                            }
                            answered.push(result);
                        }
                    }
                }
                Came::Results(answered, other_ways)
            }
            Incoming::Recalled(n_credit) => {
                stream.is_recalling = false;
                let n_credit = n_credit.min(stream.lent);
                stream.lent -= n_credit;
                ledger.grant(n_credit);
                Came::Nothing
            }
            Incoming::Ended => Came::Results(Vec::new(), self.end(node, ledger)),
        }
    }

    /// A stream broke: its credit comes home, what it handed out stays with the worker.
    fn end(&mut self, node: NodeId, ledger: &mut Ledger) -> Vec<wire::Outcome> {
        let Some(stream) = self.streams.remove(&node) else {
            return Vec::new();
        };
        tracing::debug!(to = node.get(), "worker stream to another node ended");
        ledger.grant(stream.n_unused());
        let mut other_ways = Vec::new();
        for (name, mut held) in stream.held {
            other_ways.extend(held.outcome.take());
            self.orphans.insert(name, held);
        }
        other_ways
    }

    /// Sends outcomes of what another node handed out back to it, and returns the others.
    pub(super) fn send_back(&mut self, outcomes: Vec<wire::Outcome>) -> Vec<wire::Outcome> {
        let mut others = Vec::new();
        let mut by_node: BTreeMap<NodeId, Vec<wire::Outcome>> = BTreeMap::new();
        for outcome in outcomes {
            let name = (outcome.effect_id.clone(), outcome.attempt);
            let mut streams = self.streams.iter_mut();
            let found =
                streams.find_map(|(node, stream)| Some((*node, stream.held.get_mut(&name)?)));
            match found {
                Some((node, held)) => {
                    held.outcome = Some(outcome.clone());
                    by_node.entry(node).or_default().push(outcome);
                }
                None => others.push(outcome),
            }
        }
        for (node, outcomes) in by_node {
            let Some(stream) = self.streams.get(&node) else {
                continue;
            };
            let request = WorkMessage::Outcomes(wire::Outcomes {
                outcomes: outcomes.clone(),
            });
            if !stream.send(request) {
                others.extend(outcomes);
            }
        }
        others
    }

    /// Outcomes were recorded by the table: what was held against streams that broke is free again.
    pub(super) fn answered(&mut self, results: &[wire::OutcomeResult], ledger: &mut Ledger) {
        for result in results.iter().filter(|result| !result.retry) {
            let name = (result.effect_id.clone(), result.attempt);
            if self.orphans.remove(&name).is_some() {
                ledger.grant(1);
            }
            // The node that handed it out frees its credit when the claim ends.
            for stream in self.streams.values_mut() {
                stream.held.remove(&name);
            }
        }
    }

    /// Ends the streams to nodes that left, and frees what is offered to others by now.
    pub(super) fn forget_gone(&mut self, table: &RouteTable, now: Timestamp, ledger: &mut Ledger) {
        self.n_looks += 1;
        let gone: Vec<NodeId> = self
            .streams
            .iter()
            .filter(|(node, stream)| table.addresses.get(node) != Some(&stream.address))
            .map(|(node, _)| *node)
            .collect();
        for node in gone {
            // Outcomes on their way there are lost with it; their claims run out.
            drop(self.end(node, ledger));
        }
        let n_orphans = self.orphans.len();
        self.orphans.retain(|_, held| held.until > now);
        let n_free = n_orphans - self.orphans.len();
        ledger.grant(u32::try_from(n_free).unwrap_or(u32::MAX));
        for stream in self.streams.values_mut() {
            stream.held.retain(|_, held| held.until > now);
        }
    }

    /// Gives idle credit of this node to those that have none, and calls back what lies idle elsewhere.
    /// What is returned is lent to nodes that have no stream yet.
    pub(super) fn even_out(
        &mut self,
        missing: Vec<Leader>,
        ledger: &mut Ledger,
    ) -> Vec<(Leader, u32)> {
        let to_open = self.even_out_between(missing, ledger);
        for stream in self.streams.values_mut() {
            stream.is_active = false;
        }
        to_open
    }

    fn even_out_between(
        &mut self,
        missing: Vec<Leader>,
        ledger: &mut Ledger,
    ) -> Vec<(Leader, u32)> {
        let mut to_open = Vec::new();
        let mut poor: Vec<(u64, NodeId)> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.n_unused() == 0)
            .map(|(node, stream)| (stream.lent_at_look, *node))
            .collect();
        poor.sort_unstable();
        let n_poor = u32::try_from(poor.len() + missing.len()).unwrap_or(u32::MAX);
        let is_poor_here = !ledger.has_credit();
        if is_poor_here {
            self.call_back();
        }
        if n_poor == 0 || is_poor_here {
            return to_open;
        }
        let mut left = ledger.withdraw();
        let share = (left / (n_poor + 1)).max(1);
        for leader in missing {
            if left == 0 {
                break;
            }
            let lent = share.min(left);
            left -= lent;
            to_open.push((leader, lent));
        }
        for (_, node) in poor {
            let Some(stream) = self.streams.get_mut(&node).filter(|_| left > 0) else {
                break;
            };
            let lent = share.min(left);
            if stream.send(WorkMessage::Credit(wire::Credit { more: lent })) {
                left -= lent;
                stream.lent += lent;
                stream.lent_at_look = self.n_looks;
            }
        }
        ledger.grant(left);
        to_open
    }

    /// Calls back what lies idle at the node that has most of it.
    fn call_back(&mut self) {
        let is_idle = |stream: &&mut HopStream| {
            !stream.is_active && !stream.is_recalling && stream.n_unused() > 0
        };
        let streams = self.streams.values_mut().filter(is_idle);
        if let Some(stream) = streams.max_by_key(|stream| stream.n_unused()) {
            stream.is_recalling = stream.send(WorkMessage::Recall(wire::Recall {}));
        }
    }
}

#[cfg(test)]
mod tests;
