//! What the demo shows: a table on a terminal, one line a second elsewhere.

use std::io::Write as _;

use journey_client::wire;

use crate::demo::traffic::Window;
use crate::node::NodeStats;

/// Clears the terminal and moves to its top left.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

#[derive(Debug)]
pub(crate) struct Screen {
    is_terminal: bool,
    n_seconds: u64,
}

impl Screen {
    pub(crate) const fn new(is_terminal: bool) -> Self {
        Self {
            is_terminal,
            n_seconds: 0,
        }
    }

    pub(crate) fn draw(
        &mut self,
        window: &Window,
        stats: &NodeStats,
        journeys: &[(String, wire::JourneyCounts)],
    ) -> std::io::Result<()> {
        self.n_seconds += 1;
        let text = if self.is_terminal {
            table(window, stats, journeys)
        } else {
            line(self.n_seconds, window, stats, journeys)
        };
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn line(
    n_seconds: u64,
    window: &Window,
    stats: &NodeStats,
    journeys: &[(String, wire::JourneyCounts)],
) -> String {
    let active: u64 = journeys.iter().map(|(_, counts)| counts.active).sum();
    let completed: u64 = journeys.iter().map(|(_, counts)| counts.completed).sum();
    format!(
        "{n_seconds:>4}s  {:>6.0} events/s  ack p50 {:.1} ms p99 {:.1} ms  customers {}  active {active}  completed {completed}  messages {}  timers due {}\n",
        window.events_per_second,
        window.ack_p50.as_secs_f64() * 1e3,
        window.ack_p99.as_secs_f64() * 1e3,
        stats.n_customers,
        window.n_delivered,
        stats.n_timers_due,
    )
}

fn table(window: &Window, stats: &NodeStats, journeys: &[(String, wire::JourneyCounts)]) -> String {
    let mut text = format!(
        "{CLEAR}journeyd demo (Ctrl-C stops it)\n\n  events/s {:>8.0}    ack p50 {:>6.1} ms    ack p99 {:>6.1} ms\n  customers {:>7}    messages {:>6}    timers due {:>4}\n\n",
        window.events_per_second,
        window.ack_p50.as_secs_f64() * 1e3,
        window.ack_p99.as_secs_f64() * 1e3,
        stats.n_customers,
        window.n_delivered,
        stats.n_timers_due,
    );
    for (journey, counts) in journeys {
        text.push_str(&format!(
            "  {journey:<16} entered {:>6}  active {:>6}  completed {:>6}  timers fired {:>6}\n",
            counts.entered, counts.active, counts.completed, counts.timers_fired
        ));
        for (step, steps) in &counts.steps {
            text.push_str(&format!(
                "    {step:<14} {:>6} now  {:>6} entered\n",
                steps.now, steps.entered
            ));
        }
    }
    text
}
