//! What was sent and what was answered: one account for all connections, by event, by phase and by second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use journey_client::wire;
use journey_client::wire::event_result::Status;
use parking_lot::Mutex;

use crate::limits::{FAILURES_KEPT_MAX, LATENCY_MAX_US, REASONS_MAX};
use crate::traffic::{Flavour, Planned};

/// The reason of an answer that leaves open whether the event took effect.
pub(crate) const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";

/// The account.
#[derive(Debug)]
pub(crate) struct Ledger {
    inner: Mutex<Totals>,
}

/// Everything that was counted.
#[derive(Debug, Clone)]
pub(crate) struct Totals {
    /// Accepted by kind of event.
    pub(crate) accepted: Vec<u64>,
    pub(crate) n_sent: u64,
    pub(crate) n_duplicates_sent: u64,
    pub(crate) n_duplicates_answered: u64,
    pub(crate) n_bad_sent: u64,
    pub(crate) n_bad_answered: u64,
    /// Retryable refusals by reason; an event may be refused several times.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Events given up after a refusal, where the scenario allows refusals.
    pub(crate) n_given_up: u64,
    /// Answers that nobody expected.
    pub(crate) n_failures: u64,
    pub(crate) failures: Vec<String>,
    pub(crate) phases: Vec<PhaseTally>,
    /// Accepted events of the sampled customers, by customer and kind.
    pub(crate) sample: Vec<Vec<u64>>,
    second: Second,
}

/// What one phase saw.
#[derive(Debug, Clone)]
pub(crate) struct PhaseTally {
    /// Accepted, answered within the phase.
    pub(crate) n_in_time: u64,
    /// Accepted, belonging to the phase.
    pub(crate) n_accepted: u64,
    pub(crate) n_refused: u64,
    /// Of those, the ones whose batch held accepted events too: its one answer waits for them.
    pub(crate) n_refused_in_part: u64,
    pub(crate) latency_us: Histogram<u64>,
    /// Of batches of which nothing was accepted.
    pub(crate) refusal_us: Histogram<u64>,
    /// Of the same, from the time they left: what the node took, without the harness's own lag.
    pub(crate) refusal_answer_us: Histogram<u64>,
    /// How late batches left, in an open loop.
    pub(crate) send_lag_us: Histogram<u64>,
}

/// What was answered since the last look.
#[derive(Debug, Clone)]
pub(crate) struct Second {
    pub(crate) n_accepted: u64,
    pub(crate) n_refused: u64,
    pub(crate) latency_us: Histogram<u64>,
}

/// An answered batch.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) events: &'a [Planned],
    pub(crate) results: &'a [wire::EventResult],
    /// From the time it was to be sent.
    pub(crate) latency: Duration,
    /// From the time it left.
    pub(crate) took: Duration,
    /// The phase that its latency belongs to.
    pub(crate) phase: Option<usize>,
    /// The phase that it was answered in.
    pub(crate) answered_in: Option<usize>,
}

/// A histogram of microseconds.
pub(crate) fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, digits).expect("the bounds are valid")
}

pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros())
        .unwrap_or(LATENCY_MAX_US)
        .clamp(1, LATENCY_MAX_US)
}

impl Second {
    fn new() -> Self {
        Self {
            n_accepted: 0,
            n_refused: 0,
            latency_us: histogram(2),
        }
    }
}

impl PhaseTally {
    fn new() -> Self {
        Self {
            n_in_time: 0,
            n_accepted: 0,
            n_refused: 0,
            n_refused_in_part: 0,
            latency_us: histogram(3),
            refusal_us: histogram(3),
            refusal_answer_us: histogram(3),
            send_lag_us: histogram(3),
        }
    }
}

impl Ledger {
    pub(crate) fn new(n_kinds: usize, n_phases: usize, n_sample: u32) -> Self {
        let totals = Totals {
            accepted: vec![0; n_kinds],
            n_sent: 0,
            n_duplicates_sent: 0,
            n_duplicates_answered: 0,
            n_bad_sent: 0,
            n_bad_answered: 0,
            refused: BTreeMap::new(),
            n_given_up: 0,
            n_failures: 0,
            failures: Vec::new(),
            phases: vec![PhaseTally::new(); n_phases],
            sample: vec![vec![0; n_kinds]; n_sample as usize],
            second: Second::new(),
        };
        Self {
            inner: Mutex::new(totals),
        }
    }

    /// Events that go out for the first time.
    pub(crate) fn sent(&self, events: &[Planned]) {
        let of = |flavour| events.iter().filter(|e| e.flavour == flavour).count() as u64;
        let mut totals = self.inner.lock();
        totals.n_sent += events.len() as u64;
        totals.n_duplicates_sent += of(Flavour::Duplicate);
        totals.n_bad_sent += of(Flavour::Bad);
    }

    /// How late a batch of that phase left.
    pub(crate) fn left(&self, phase: usize, n_events: usize, lag: Duration) {
        let mut totals = self.inner.lock();
        let tally = &mut totals.phases[phase];
        let lag_us = micros(lag);
        tally
            .send_lag_us
            .saturating_record_n(lag_us, n_events as u64);
    }

    /// Counts an answered batch and returns the events that are to be sent again.
    pub(crate) fn answered(&self, answered: &Answered<'_>) -> Vec<Planned> {
        let mut again = Vec::new();
        let mut totals = self.inner.lock();
        let (mut n_accepted, mut n_refused) = (0, 0);
        for (planned, result) in answered.events.iter().zip(answered.results) {
            match totals.count(planned, result) {
                Became::Accepted => n_accepted += 1,
                Became::Known => {}
                Became::Refused { is_uncertain } => {
                    n_refused += 1;
                    again.push(Planned {
                        is_uncertain: planned.is_uncertain || is_uncertain,
                        ..*planned
                    });
                }
            }
        }
        if answered.results.len() != answered.events.len() {
            totals.fail(&format!(
                "{} results for {} events",
                answered.results.len(),
                answered.events.len()
            ));
        }
        totals.time(answered, n_accepted, n_refused);
        again
    }

    /// Counts a call that was refused as a whole.
    pub(crate) fn call_refused(&self, answered: &Answered<'_>, reason: &str) {
        let n_events = answered.events.len() as u64;
        let mut totals = self.inner.lock();
        totals.refuse(reason, n_events);
        totals.time(answered, 0, n_events);
    }

    /// Refused events that are not sent again.
    pub(crate) fn given_up(&self, n_events: u64) {
        self.inner.lock().n_given_up += n_events;
    }

    /// What was answered since the last call.
    pub(crate) fn take_second(&self) -> Second {
        std::mem::replace(&mut self.inner.lock().second, Second::new())
    }

    /// Accepted events of a phase so far, answered in time.
    pub(crate) fn n_in_time(&self, phase: usize) -> u64 {
        self.inner.lock().phases[phase].n_in_time
    }

    pub(crate) fn totals(&self) -> Totals {
        self.inner.lock().clone()
    }
}

/// What became of one event.
enum Became {
    Accepted,
    /// A duplicate, a bad one, or a failure: it is done with.
    Known,
    Refused {
        is_uncertain: bool,
    },
}

impl Totals {
    fn count(&mut self, planned: &Planned, result: &wire::EventResult) -> Became {
        let status = result.status();
        let counts_as_accepted = match planned.flavour {
            Flavour::Good => {
                status == Status::Accepted || (status == Status::Duplicate && planned.is_uncertain)
            }
            Flavour::Duplicate | Flavour::Bad => false,
        };
        if counts_as_accepted {
            self.accepted[usize::from(planned.kind)] += 1;
            if let Some(customer) = self.sample.get_mut(planned.customer as usize) {
                customer[usize::from(planned.kind)] += 1;
            }
            return Became::Accepted;
        }
        match (planned.flavour, status) {
            (Flavour::Duplicate, Status::Duplicate) => self.n_duplicates_answered += 1,
            (Flavour::Bad, Status::Rejected) if !result.retry => self.n_bad_answered += 1,
            (_, Status::Rejected) if result.retry => {
                self.refuse(&result.reason, 1);
                let is_uncertain = result.reason == OUTCOME_UNKNOWN;
                return Became::Refused { is_uncertain };
            }
            (flavour, status) => self.fail(&format!(
                "a {flavour:?} event was answered {status:?} {} {}",
                result.reason, result.message
            )),
        }
        Became::Known
    }

    fn time(&mut self, answered: &Answered<'_>, n_accepted: u64, n_refused: u64) {
        let latency_us = micros(answered.latency);
        self.second.n_accepted += n_accepted;
        self.second.n_refused += n_refused;
        self.second
            .latency_us
            .saturating_record_n(latency_us, n_accepted);
        if let Some(phase) = answered.answered_in {
            self.phases[phase].n_in_time += n_accepted;
        }
        if let Some(phase) = answered.phase {
            let phase = &mut self.phases[phase];
            phase.n_accepted += n_accepted;
            phase.n_refused += n_refused;
            phase.latency_us.saturating_record_n(latency_us, n_accepted);
            if n_accepted == 0 {
                phase.refusal_us.saturating_record_n(latency_us, n_refused);
                let took_us = micros(answered.took);
                phase
                    .refusal_answer_us
                    .saturating_record_n(took_us, n_refused);
            } else {
                phase.n_refused_in_part += n_refused;
            }
        }
    }

    fn refuse(&mut self, reason: &str, n_events: u64) {
        let is_new = !self.refused.contains_key(reason);
        let reason = if is_new && self.refused.len() >= REASONS_MAX {
            "other"
        } else {
            reason
        };
        *self.refused.entry(reason.to_owned()).or_default() += n_events;
    }

    fn fail(&mut self, text: &str) {
        self.n_failures += 1;
        if self.failures.len() < FAILURES_KEPT_MAX {
            self.failures.push(text.to_owned());
        }
    }
}

/// A moment of the run, for attribution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Index of the phase.
    pub(crate) phase: usize,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// The phase whose window holds the instant.
pub(crate) fn phase_at(windows: &[Window], instant: Instant) -> Option<usize> {
    let holds = |window: &&Window| window.from <= instant && instant < window.to;
    windows.iter().find(holds).map(|window| window.phase)
}

#[cfg(test)]
mod tests;
