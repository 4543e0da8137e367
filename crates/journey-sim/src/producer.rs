//! A producer that keeps its events in order: it numbers its submissions, and after a failure that is not final it sends
//! again from the event that failed, under a fresh order (G3).

use std::collections::{BTreeMap, VecDeque};

use journey_customer::Command;
use journey_partition::{Answer, SubmissionOrder, TicketId};
use journey_types::CustomerKey;
use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::traffic::Traffic;
use crate::world::World;

/// Events of one submission, at most.
const EVENTS_AT_ONCE: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Producer {
    n_events: u64,
    /// Events without a final answer, in order.
    open: VecDeque<(u64, (CustomerKey, Command))>,
    /// The first serial that was not sent under the present order.
    next_to_send: u64,
    order: SubmissionOrder,
    /// What was sent under it and is not answered.
    tickets: BTreeMap<TicketId, Vec<u64>>,
    is_broken: bool,
}

impl Producer {
    /// Takes answers in, then sends: what is to be sent again, or something new.
    pub(crate) fn step(&mut self, traffic: &mut Traffic, rng: &mut SmallRng, world: &mut World) {
        self.hear(world);
        self.mend(world);
        if self.is_broken {
            return;
        }
        if self.to_send().next().is_none() {
            for _ in 0..rng.random_range(1..=EVENTS_AT_ONCE) {
                self.n_events += 1;
                let command = traffic.ordered(self.n_events, rng, world.now);
                self.open.push_back((self.n_events, command));
            }
        }
        self.send(world);
    }

    /// Sends what is left, until everything has its final answer. Answers whether it has.
    pub(crate) fn drain(&mut self, world: &mut World) -> bool {
        self.hear(world);
        self.mend(world);
        if !self.is_broken && self.to_send().next().is_some() {
            self.send(world);
        }
        self.open.is_empty()
    }

    /// The node went down with everything that was unanswered.
    pub(crate) fn cut_off(&mut self, world: &mut World) {
        let open = self.open.iter().map(|(serial, _)| *serial);
        world.oracle.unheard.extend(open);
        self.tickets.clear();
        self.start_over();
    }

    fn to_send(&self) -> impl Iterator<Item = &(u64, (CustomerKey, Command))> {
        let next = self.next_to_send;
        self.open.iter().filter(move |(serial, _)| *serial >= next)
    }

    fn send(&mut self, world: &mut World) {
        let batch: Vec<_> = self.to_send().take(EVENTS_AT_ONCE).cloned().collect();
        let (serials, commands): (Vec<u64>, Vec<_>) = batch.into_iter().unzip();
        self.next_to_send = serials.last().map_or(self.next_to_send, |last| last + 1);
        let ticket = world.submit_in(commands, &self.order);
        self.tickets.insert(ticket, serials);
    }

    fn hear(&mut self, world: &mut World) {
        for (ticket, answers) in world.take_ordered_answers() {
            let serials = self.tickets.remove(&ticket).unwrap_or_default();
            for (serial, answer) in serials.into_iter().zip(answers) {
                match answer {
                    Answer::Refused(refusal) if refusal.is_retryable() => {
                        world.oracle.unheard.insert(serial);
                        self.is_broken = true;
                    }
                    Answer::Done { .. } | Answer::Rejected(_) | Answer::Refused(_) => {
                        self.open.retain(|(open, _)| *open != serial);
                    }
                }
            }
        }
    }

    /// Begins again at the event that failed, once nothing is on its way any more.
    fn mend(&mut self, world: &mut World) {
        if !self.is_broken || !self.tickets.is_empty() {
            return;
        }
        world.count_fault("order broken");
        let commands: Vec<_> = self
            .open
            .iter()
            .map(|(_, command)| command.clone())
            .collect();
        assert!(
            self.order.is_resent_by(&commands),
            "G3: the order broke at another event than the first one without a final answer"
        );
        self.start_over();
    }

    fn start_over(&mut self) {
        self.order = SubmissionOrder::default();
        self.next_to_send = 0;
        self.is_broken = false;
    }
}
