//! What a phase used, from its samples: as a whole, and by twentieths of its events.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sampler::Sample;
use crate::scenario::{Extent, PhaseKind};

/// Stretches of a phase: enough to see a slope, few enough for a table.
const STRETCHES: u64 = 20;
/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// One part of a phase: what it cost, and how large things were at its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// Events of the phase up to its end.
    pub(crate) events_to: u64,
    pub(crate) events_per_second: f64,
    /// CPU of the nodes.
    pub(crate) cpu_us_per_event: Option<f64>,
    /// Bytes that the nodes had the disk write for each event.
    pub(crate) written_bytes_per_event: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) log_bytes: Option<u64>,
    pub(crate) state_bytes: Option<u64>,
}

/// What was used in some intervals.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    seconds: f64,
    n_events: f64,
    node_seconds: f64,
    harness_seconds: f64,
    /// One sample at least told of the nodes.
    is_known: bool,
}

impl Used {
    /// In a phase.
    pub(super) fn in_phase(samples: &[Sample], phase: usize) -> Self {
        let mut used = Self::default();
        for (seconds, sample) in intervals(samples, phase) {
            used.add(seconds, sample);
        }
        used
    }

    fn add(&mut self, seconds: f64, sample: &Sample) {
        // An interval in which a node was started anew says nothing.
        let Some(percent) = sample.cpu_percent else {
            return;
        };
        let harness = sample.harness_cpu_percent.unwrap_or(0.0);
        self.is_known = true;
        self.seconds += seconds;
        self.n_events += sample.events_per_second * seconds;
        self.node_seconds += percent / 100.0 * seconds;
        self.harness_seconds += harness / 100.0 * seconds;
    }

    pub(super) fn us_per_event(&self) -> Option<f64> {
        (self.n_events > 0.0).then(|| self.node_seconds * 1e6 / self.n_events)
    }

    pub(super) fn events_per_cpu_second(&self) -> Option<f64> {
        (self.node_seconds > 0.0).then(|| self.n_events / self.node_seconds)
    }

    pub(super) fn node_cores(&self) -> Option<f64> {
        self.is_known.then(|| self.node_seconds / self.seconds)
    }

    pub(super) fn harness_cores(&self) -> Option<f64> {
        self.is_known.then(|| self.harness_seconds / self.seconds)
    }
}

/// The samples of a phase, each with the seconds since the one before.
fn intervals(samples: &[Sample], phase: usize) -> impl Iterator<Item = (f64, &Sample)> {
    let befores = std::iter::once(0.0).chain(samples.iter().map(|sample| sample.at_s));
    samples
        .iter()
        .zip(befores)
        .map(|(sample, before)| ((sample.at_s - before).max(1e-3), sample))
        .filter(move |(_, sample)| sample.phase == phase)
}

/// The stretches of a phase that is bounded by events; none of any other, and none that no sample lies in.
pub(super) fn stretches(samples: &[Sample], phase: usize, kind: &PhaseKind) -> Vec<Stretch> {
    let PhaseKind::Closed {
        extent: Extent::Events(n_events),
    } = kind
    else {
        return Vec::new();
    };
    let length = (*n_events as f64 / STRETCHES as f64).max(1.0);
    let mut stretches: Vec<Stretch> = Vec::new();
    let (mut n_events, mut used) = (0.0, Used::default());
    let mut written_before = None;
    for (seconds, sample) in intervals(samples, phase) {
        used.add(seconds, sample);
        n_events += sample.events_per_second * seconds;
        written_before = written_before.or(sample.written_bytes);
        if n_events < length * (stretches.len() + 1) as f64 {
            continue;
        }
        let written = sample.written_bytes.zip(written_before);
        #[expect(clippy::cast_possible_truncation, reason = "a count of events")]
        let events_to = n_events as u64;
        stretches.push(Stretch {
            events_to,
            events_per_second: used.n_events / used.seconds.max(1e-3),
            cpu_us_per_event: used.us_per_event(),
            written_bytes_per_event: written
                .map(|(now, before)| now.saturating_sub(before) as f64 / used.n_events.max(1.0)),
            resident_bytes: sample.resident_bytes,
            log_bytes: sample.log_bytes,
            state_bytes: sample.state_bytes,
        });
        written_before = sample.written_bytes;
        used = Used::default();
    }
    stretches
}

impl fmt::Display for Stretch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "up to {:.2} M events: {:.0}/s",
            self.events_to as f64 / 1e6,
            self.events_per_second
        )?;
        if let Some(us) = self.cpu_us_per_event {
            write!(formatter, ", {us:.1} us of CPU")?;
        }
        if let Some(bytes) = self.written_bytes_per_event {
            write!(formatter, ", {bytes:.0} B written per event")?;
        }
        let sizes = [
            ("resident", self.resident_bytes),
            ("log", self.log_bytes),
            ("rows", self.state_bytes),
        ];
        for (name, bytes) in sizes {
            if let Some(bytes) = bytes {
                write!(formatter, ", {name} {:.0} MiB", bytes as f64 / MIB)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
