//! Adds up what the partitions count.

use std::collections::BTreeMap;
use std::fmt::Display;

use journey_codec::{JourneyCounts, StepCounts};
use journey_proto::v1 as wire;
use journey_types::JourneyId;

use crate::node::Node;

/// The counts of one journey in every partition; `version` 0 means all versions.
pub(crate) fn counts_of(node: &Node, journey: &JourneyId, version: u32) -> Vec<JourneyCounts> {
    node.partitions()
        .values()
        .flat_map(|partition| partition.counts(journey, version))
        .collect()
}

/// The sum of counts, in wire form.
pub(crate) fn add_counts(all: &[JourneyCounts]) -> wire::JourneyCounts {
    let mut sum = JourneyCounts::default();
    for counts in all {
        sum.add(counts);
    }
    let step = |counts: &StepCounts| wire::StepCounts {
        entered: counts.entered,
        left: counts.left,
        now: counts.now(),
    };
    let mut refused = sum.refused.clone();
    for (reason, count) in &sum.entries_refused {
        *refused.entry(reason.clone()).or_insert(0) += count;
    }
    wire::JourneyCounts {
        entered: sum.entered,
        active: sum.active(),
        parked: sum.parked(),
        completed: sum.completed,
        held_out: sum.held_out,
        steps: sum
            .steps
            .iter()
            .map(|(id, counts)| (id.to_string(), step(counts)))
            .collect(),
        messages: by_name(&sum.messages),
        refused,
        emitted: by_name(&sum.emitted),
        goals: sum.goals,
        timers_fired: sum.timers_fired,
        tasks_overdue: sum.tasks_overdue,
        exited: sum.exited,
    }
}

fn by_name(counts: &BTreeMap<impl Display, u64>) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(name, count)| (name.to_string(), *count))
        .collect()
}
