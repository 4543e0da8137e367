//! Adds up what the partitions count.

use std::collections::BTreeMap;
use std::fmt::Display;

use journey_codec::{JourneyCounts, StepCounts};
use journey_partition::PartitionHandle;
use journey_proto::v1 as wire;
use journey_types::JourneyId;

/// The counts of one journey in some partitions of this node; `version` 0 means all versions.
pub(crate) fn counts_here(
    partitions: &[PartitionHandle],
    journey: &JourneyId,
    version: u32,
) -> wire::JourneyCounts {
    let counts = partitions.iter();
    let counts: Vec<_> = counts
        .flat_map(|partition| partition.counts(journey, version))
        .collect();
    add_counts(&counts)
}

/// Adds what another node counted.
pub(crate) fn merge_counts(sum: &mut wire::JourneyCounts, other: wire::JourneyCounts) {
    sum.entered += other.entered;
    sum.active += other.active;
    sum.parked += other.parked;
    sum.completed += other.completed;
    sum.held_out += other.held_out;
    sum.timers_fired += other.timers_fired;
    sum.tasks_overdue += other.tasks_overdue;
    let maps = [
        (&mut sum.exited, other.exited),
        (&mut sum.messages, other.messages),
        (&mut sum.refused, other.refused),
        (&mut sum.emitted, other.emitted),
        (&mut sum.goals, other.goals),
    ];
    for (sums, others) in maps {
        for (name, n) in others {
            *sums.entry(name).or_default() += n;
        }
    }
    for (name, step) in other.steps {
        let sum = sum.steps.entry(name).or_default();
        sum.entered += step.entered;
        sum.left += step.left;
        sum.now += step.now;
    }
}

/// The sum of counts, in wire form.
fn add_counts(all: &[JourneyCounts]) -> wire::JourneyCounts {
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
