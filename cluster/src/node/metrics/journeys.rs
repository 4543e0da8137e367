//! Figures of what instances came to and of what is set aside. Only of partitions that this node leads, so that the sum
//! over nodes counts everything once.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_partition::InstanceFigures;
use journey_server::metric_names::MetricSink as _;
use journey_types::{JourneyId, Timestamp};

use super::gauge;
use crate::metric_names as names;
use crate::node::exposition::{Exposition, as_f64};
use crate::node::local_partitions::LocalPartition;
use crate::node::observer::Watched;

/// Journeys with series of their own, those with most instances; the others share the label `other`, so that the number
/// of series has a bound whatever is published.
pub(super) const DEFINITIONS_MAX: usize = 200;

pub(super) fn export(text: &mut Exposition, watched: &Watched) {
    let all = watched.partitions.all();
    let led = all
        .values()
        .filter(|local| local.group.leadership().borrow().is_leader);
    let led: Vec<&Arc<LocalPartition>> = led.collect();
    set_aside(text, &led, watched.node.now());
    let mut figures: BTreeMap<JourneyId, InstanceFigures> = BTreeMap::new();
    for local in led {
        for (journey, more) in local.probe.instances() {
            figures.entry(journey).or_default().add(&more);
        }
    }
    for (definition, figures) in bounded(figures, DEFINITIONS_MAX) {
        let states = [
            ("active", figures.active),
            ("parked", figures.parked),
            ("completed", figures.completed),
            ("exited", figures.exited),
            ("held_out", figures.held_out),
        ];
        for (state, n) in states {
            let labels = [("definition", definition.as_str()), ("state", state)];
            text.value(&names::INSTANCES, &labels, as_f64(n));
        }
    }
}

/// Those with most instances by name, and the sum of the others.
pub(super) fn bounded(
    figures: BTreeMap<JourneyId, InstanceFigures>,
    n_max: usize,
) -> Vec<(String, InstanceFigures)> {
    let mut figures: Vec<_> = figures.into_iter().collect();
    let n_waiting = |figures: &InstanceFigures| figures.active + figures.parked;
    figures.sort_by_key(|(_, figures)| std::cmp::Reverse(n_waiting(figures)));
    let others = figures.split_off(figures.len().min(n_max));
    figures.sort_by(|(one, _), (other, _)| one.cmp(other));
    let named = figures.into_iter();
    let mut named: Vec<_> = named.map(|(id, it)| (id.to_string(), it)).collect();
    if !others.is_empty() {
        let mut sum = InstanceFigures::default();
        for (_, figures) in &others {
            sum.add(figures);
        }
        named.push(("other".to_owned(), sum));
    }
    named
}

fn set_aside(text: &mut Exposition, led: &[&Arc<LocalPartition>], now: Timestamp) {
    let statuses = led.iter().filter_map(|local| local.probe.latest());
    let (mut n_letters, mut letter_bytes, mut n_quarantined, mut n_stopped) = (0, 0, 0, 0);
    for status in statuses {
        n_letters += status.dead_letters.n;
        letter_bytes += status.dead_letters.size_bytes;
        n_quarantined += status.quarantined.n;
        n_stopped += status.stopped_queues.len() as u64;
    }
    gauge(text, &names::DLQ_MESSAGES, n_letters);
    gauge(text, &names::DLQ_BYTES, letter_bytes);
    gauge(text, &names::QUARANTINED, n_quarantined);
    gauge(text, &names::STOPPED_QUEUES, n_stopped);
    let oldest = led
        .iter()
        .filter_map(|local| local.probe.oldest_dead_letter());
    let age_ms = oldest.min().map_or(0, |since| now.since(since).ms());
    let age_seconds = u64::try_from(age_ms / 1_000).unwrap_or(0);
    gauge(text, &names::DLQ_OLDEST_AGE, age_seconds);
}
