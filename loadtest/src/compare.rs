//! Two runs side by side.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::report::{Latency, PhaseReport, Report};

/// Reads a report that `-o json` wrote.
pub(crate) fn read(path: &Path) -> anyhow::Result<Report> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no report of `loadtest run -o json`", path.display()))
}

/// A table of what both found, with the change from the first to the second.
pub(crate) fn compare(first: &Report, second: &Report) -> String {
    let mut text = format!(
        "{:<34} {:>14} {:>14} {:>9}\n",
        format!("{} / {}", first.scenario, second.scenario),
        "A",
        "B",
        "change"
    );
    for ((name, a), (_, b)) in rows(first).into_iter().zip(rows(second)) {
        line(&mut text, &name, a, b);
    }
    for phase in &first.phases {
        let other = second.phases.iter().find(|other| other.name == phase.name);
        let other = other.map(phase_rows).unwrap_or_default();
        for ((name, a), (_, b)) in phase_rows(phase).into_iter().zip(other) {
            line(&mut text, &format!("{}: {name}", phase.name), a, b);
        }
    }
    for (label, report) in [("A", first), ("B", second)] {
        if !report.sums_proven {
            text.push_str(&format!(
                "{label} could not prove its sums: its figures say nothing\n"
            ));
        }
    }
    if first.machine.build != second.machine.build || first.customers != second.customers {
        text.push_str(
            "the runs differ in build or customers: compare shares of the floor, not figures\n",
        );
    }
    text
}

fn rows(report: &Report) -> Vec<(String, Option<f64>)> {
    let whole = |n: Option<u64>| n.map(|n| n as f64);
    let latency = report.ack_latency_ms;
    let effect = report.effect_latency_ms;
    let rows = [
        ("events/s", Some(report.events_per_second)),
        (
            "floor events/s",
            report.floor.as_ref().map(|floor| floor.events_per_second),
        ),
        ("share of floor", report.share_of_floor),
        ("ack p50 ms", latency.map(|l| l.p50)),
        ("ack p99 ms", latency.map(|l| l.p99)),
        ("ack p99.9 ms", latency.map(|l| l.p999)),
        ("ack max ms", latency.map(|l| l.max)),
        ("effect p50 ms", effect.map(|l| l.p50)),
        ("effect p99 ms", effect.map(|l| l.p99)),
        (
            "timer lateness p99 ms",
            report.timer_lateness_ms.map(|l| l.p99),
        ),
        ("replication ratio", report.replication_ratio),
        ("CPU us per event", report.cpu_us_per_event),
        ("resident bytes", whole(report.resident_bytes)),
        ("disk bytes", whole(report.disk_bytes)),
        ("rows bytes per customer", report.state_bytes_per_customer),
    ];
    rows.map(|(name, value)| (name.to_owned(), value)).into()
}

fn phase_rows(phase: &PhaseReport) -> Vec<(&'static str, Option<f64>)> {
    let p99 = |latency: Option<Latency>| latency.map(|latency| latency.p99);
    vec![
        ("events/s", Some(phase.events_per_second)),
        ("share of the maximum", phase.share_of_maximum),
        ("CPU us per event", phase.cpu_us_per_event),
        ("ack p99 ms", p99(phase.ack_latency_ms)),
        ("refusal p99 ms", p99(phase.refusal_latency_ms)),
        (
            "refusal, from leaving, p99 ms",
            p99(phase.refusal_answer_ms),
        ),
        ("first ack ms", phase.first_ack_ms),
    ]
}

/// A row where at least one knows it.
fn line(text: &mut String, name: &str, a: Option<f64>, b: Option<f64>) {
    if a.is_none() && b.is_none() {
        return;
    }
    let cell = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 1_000.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.3}"),
    };
    let change = match (a, b) {
        (Some(a), Some(b)) if a != 0.0 => format!("{:+.1} %", (b - a) / a * 100.0),
        _ => String::new(),
    };
    writeln!(
        text,
        "{name:<34} {:>14} {:>14} {change:>9}",
        cell(a),
        cell(b)
    )
    .expect("writing to a text cannot fail");
}
