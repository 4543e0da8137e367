//! What a simulation says when it is over: the counts of every journey, as JSON and for people.

use std::collections::BTreeMap;

use anyhow::Context as _;
use journey_codec::{JourneyCounts, StepCounts};
use journey_model::Catalog;
use journey_partition::SoloPartition;
use journey_types::{JourneyId, TimeSpan, Timestamp};
use serde_json::{Map, Value, json};

use super::{Durations, Lines};
use crate::output::Output;

/// How a simulation ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish {
    pub(super) virtual_end: Timestamp,
    pub(super) n_timers_left: u64,
}

/// The document of issue 2, with every journey and step of the catalog, also those that nothing reached.
pub(super) fn report(
    partition: &SoloPartition,
    catalog: &Catalog,
    lines: &Lines,
    mut durations: Durations,
    finish: Finish,
) -> Value {
    let mut by_journey: BTreeMap<JourneyId, JourneyCounts> = catalog
        .journeys
        .iter()
        .map(|(journey, versions)| {
            let steps = versions.versions.values().flat_map(|plan| &plan.steps);
            let counts = JourneyCounts {
                steps: steps
                    .map(|step| (step.id.clone(), StepCounts::default()))
                    .collect(),
                ..JourneyCounts::default()
            };
            (journey.clone(), counts)
        })
        .collect();
    for ((journey, _), counts) in partition.replica().lock().counts() {
        by_journey.entry(journey.clone()).or_default().add(counts);
    }
    let journeys: Map<String, Value> = by_journey
        .iter()
        .map(|(journey, counts)| {
            let durations = durations.remove(journey).unwrap_or_default();
            (journey.to_string(), journey_report(counts, durations))
        })
        .collect();
    let mut counted_lines = json!({
        "read": lines.n_read,
        "accepted": lines.n_accepted,
        "duplicate": lines.n_duplicate,
        "rejected": lines.n_rejected,
    });
    if lines.n_not_merged > 0 {
        counted_lines["accepted_not_merged_yet"] = json!(lines.n_not_merged);
    }
    json!({
        "lines": counted_lines,
        "journeys": journeys,
        "virtual_end": finish.virtual_end.to_string(),
        "timers_left": finish.n_timers_left,
    })
}

fn journey_report(counts: &JourneyCounts, mut durations: Vec<f64>) -> Value {
    let mut refused = counts.refused.clone();
    for (reason, count) in &counts.entries_refused {
        *refused.entry(reason.clone()).or_insert(0) += count;
    }
    let steps: Map<String, Value> = counts
        .steps
        .iter()
        .map(|(id, step)| {
            (
                id.to_string(),
                json!({ "entered": step.entered, "left": step.left, "now": step.now() }),
            )
        })
        .collect();
    durations.sort_by(f64::total_cmp);
    let duration_s = if durations.is_empty() {
        json!({})
    } else {
        json!({ "completed": {
            "p50": nearest_rank(&durations, 50),
            "p90": nearest_rank(&durations, 90),
            "max": durations.last(),
        } })
    };
    json!({
        "entered": counts.entered,
        "active": counts.active(),
        "parked": counts.parked(),
        "completed": counts.completed,
        "held_out": counts.held_out,
        "exited": counts.exited,
        "steps": steps,
        "messages": by_name(&counts.messages),
        "refused": refused,
        "emitted": by_name(&counts.emitted),
        "goals": counts.goals,
        "timers_fired": counts.timers_fired,
        "duration_s": duration_s,
    })
}

fn by_name(counts: &BTreeMap<impl ToString, u64>) -> Map<String, Value> {
    counts
        .iter()
        .map(|(name, count)| (name.to_string(), json!(count)))
        .collect()
}

/// The smallest value that at least so many percent of the sorted values do not exceed.
fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The same for people.
pub(super) fn print(report: &Value, output: Output) -> anyhow::Result<()> {
    let lines = &report["lines"];
    if let Some(n) = lines.get("accepted_not_merged_yet") {
        output.text(&format!(
            "{n} of the accepted name two ids of one customer: accepted, not merged yet"
        ))?;
    }
    output.text(&format!(
        "{} lines: {} accepted, {} duplicate, {} rejected; virtual time ended {}, {} timers left",
        lines["read"],
        lines["accepted"],
        lines["duplicate"],
        lines["rejected"],
        report["virtual_end"].as_str().unwrap_or_default(),
        report["timers_left"]
    ))?;
    let journeys = report["journeys"]
        .as_object()
        .context("the report has journeys")?;
    let mut rows = Vec::new();
    let mut details = Vec::new();
    for (journey, counts) in journeys {
        let numbers = ["entered", "active", "parked", "completed", "timers_fired"];
        let mut row = vec![journey.clone()];
        row.extend(numbers.iter().map(|name| counts[*name].to_string()));
        row.push(
            counts["duration_s"]["completed"]["p50"]
                .as_f64()
                .map_or_else(String::new, duration),
        );
        rows.push(row);
        for family in ["exited", "goals", "messages", "refused", "emitted"] {
            for (name, count) in counts[family].as_object().into_iter().flatten() {
                details.push(vec![
                    journey.clone(),
                    format!("{family} {name}"),
                    count.to_string(),
                ]);
            }
        }
    }
    let headings = [
        "journey",
        "entered",
        "active",
        "parked",
        "completed",
        "timers fired",
        "median duration",
    ];
    output.table(&headings, rows)?;
    if details.is_empty() {
        return Ok(());
    }
    output.text("")?;
    output.table(&["journey", "what", "count"], details)
}

fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds of a simulation, rounded for people"
    )]
    let span = TimeSpan::from_secs(seconds.round() as i64);
    span.to_string()
}
