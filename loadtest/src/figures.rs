//! Gathers the named figures that sums are about: what was sent and answered, what the node counts, what the worker saw.

use std::collections::BTreeMap;

use anyhow::Context as _;
use journey_client::{Client, wire};

use crate::ledger::Totals;
use crate::node::Scrape;
use crate::scenario::EventKind;
use crate::sums::Figures;
use crate::worker::Seen;

/// Counts of journeys by id.
pub(crate) type Counts = BTreeMap<String, wire::JourneyCounts>;

/// The node's own count of accepted events.
const NODE_ACCEPTED: &str = "journey_events_accepted_total";

/// Counts of one journey, all versions.
pub(crate) async fn counts_of(client: &Client, id: &str) -> anyhow::Result<wire::JourneyCounts> {
    let request = wire::GetJourneyCountsRequest {
        id: id.to_owned(),
        version: 0,
    };
    let response = client.get_journey_counts(request).await?;
    response
        .counts
        .with_context(|| format!("the node answered without counts of {id}"))
}

/// Counts of some journeys.
pub(crate) async fn counts(client: &Client, ids: &[String]) -> anyhow::Result<Counts> {
    let mut counts = Counts::new();
    for id in ids {
        counts.insert(id.clone(), counts_of(client, id).await?);
    }
    Ok(counts)
}

/// What was sent and answered.
pub(crate) fn add_ledger(figures: &mut Figures, totals: &Totals, kinds: &[EventKind]) {
    let mut set = |name: String, n: u64| {
        *figures.entry(name).or_default() += i128::from(n);
    };
    for (kind, n) in kinds.iter().zip(&totals.accepted) {
        set(format!("accepted.{}", kind.name), *n);
    }
    set("accepted".to_owned(), totals.accepted.iter().sum());
    set("sent".to_owned(), totals.n_sent);
    set("duplicates.sent".to_owned(), totals.n_duplicates_sent);
    set(
        "duplicates.answered".to_owned(),
        totals.n_duplicates_answered,
    );
    set("bad.sent".to_owned(), totals.n_bad_sent);
    set("bad.answered".to_owned(), totals.n_bad_answered);
    set("refused".to_owned(), totals.refused.values().sum());
    set("given-up".to_owned(), totals.n_given_up);
    set("failures".to_owned(), totals.n_failures);
}

/// What the node counts, less what it had counted before the run.
pub(crate) fn add_counts(figures: &mut Figures, before: &Counts, after: &Counts) {
    let nothing = wire::JourneyCounts::default();
    for (id, after) in after {
        let before = before.get(id).unwrap_or(&nothing);
        let mut set = |name: &str, read: fn(&wire::JourneyCounts) -> u64| {
            let n = i128::from(read(after)) - i128::from(read(before));
            figures.insert(format!("counts.{id}.{name}"), n);
        };
        set("entered", |c| c.entered);
        set("active", |c| c.active);
        set("parked", |c| c.parked);
        set("completed", |c| c.completed);
        set("held-out", |c| c.held_out);
        set("exited", |c| c.exited.values().sum());
        set("refused", |c| c.refused.values().sum());
        set("messages", |c| c.messages.values().sum());
        set("timers-fired", |c| c.timers_fired);
        set("left", |c| c.steps.values().map(|step| step.left).sum());
        for (step, now) in &after.steps {
            let was = before.steps.get(step).copied().unwrap_or_default();
            let mut set = |name: &str, now: u64, was: u64| {
                let n = i128::from(now) - i128::from(was);
                figures.insert(format!("counts.{id}.{name}.{step}"), n);
            };
            set("entered", now.entered, was.entered);
            set("left", now.left, was.left);
        }
        for (content, now) in &after.messages {
            let was = before.messages.get(content).copied().unwrap_or(0);
            let n = i128::from(*now) - i128::from(was);
            figures.insert(format!("counts.{id}.messages.{content}"), n);
        }
    }
}

/// What the worker saw.
pub(crate) fn add_effects(figures: &mut Figures, seen: &Seen) {
    let mut set = |name: String, n: u64| {
        figures.insert(name, i128::from(n));
    };
    set("effects".to_owned(), seen.by_content.values().sum());
    set("effects-again".to_owned(), seen.n_again);
    set("outcomes.recorded".to_owned(), seen.n_recorded);
    set("outcomes.settled".to_owned(), seen.n_settled);
    set("outcomes.refused".to_owned(), seen.n_refused);
    for (content, n) in &seen.by_content {
        set(format!("effects.{content}"), *n);
    }
}

/// What the node says of itself.
pub(crate) fn add_metrics(figures: &mut Figures, before: &Scrape, after: &Scrape) {
    let (Some(before), Some(after)) = (before.value(NODE_ACCEPTED), after.value(NODE_ACCEPTED))
    else {
        return;
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a counter is a whole number"
    )]
    let n = (after - before) as i128;
    figures.insert("node.accepted".to_owned(), n);
}
