//! A line on the terminal that says how far a run is. Silent where standard error is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::sampler::Sample;
use crate::scenario::{Extent, PhaseKind, Scenario};

/// The line. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    phases: Vec<String>,
}

impl Progress {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let seconds = planned_seconds(scenario);
        let bar = ProgressBar::new(seconds.max(1));
        let template = "{prefix} [{bar:30}] {elapsed} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(scenario.name.clone());
        bar.enable_steady_tick(Duration::from_millis(500));
        let phases = scenario
            .phases
            .iter()
            .map(|phase| phase.name.clone())
            .collect();
        Self { bar, phases }
    }

    /// Says what happens when no phase runs.
    pub(crate) fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// Says what the last second saw.
    pub(crate) fn tell(&self, sample: &Sample) {
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a run")]
        let seconds = sample.at_s as u64;
        self.bar.set_position(seconds);
        let phase = self.phases.get(sample.phase).map_or("", String::as_str);
        let latency = sample.ack_latency_ms.as_ref();
        let p99 = latency.map_or_else(String::new, |latency| {
            format!(", p99 {:.1} ms", latency.p99)
        });
        self.bar.set_message(format!(
            "{phase}: {:.0} events/s{p99}",
            sample.events_per_second
        ));
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Seconds that are known before the run.
pub(crate) fn planned_seconds(scenario: &Scenario) -> u64 {
    let of = |kind: &PhaseKind| match kind {
        PhaseKind::Closed {
            extent: Extent::Seconds(seconds),
        }
        | PhaseKind::Open { seconds, .. } => u64::from(*seconds),
        PhaseKind::Closed { .. }
        | PhaseKind::Start { .. }
        | PhaseKind::Restart { .. }
        | PhaseKind::Storm => 0,
    };
    scenario.phases.iter().map(|phase| of(&phase.kind)).sum()
}
