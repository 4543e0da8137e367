//! The journeys that the simulated customers walk: small, and together they touch every wake reason.

use std::sync::Arc;

use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_types::CatalogRevision;

const DOCUMENTS: &str = r#"
journey: carts
entry: [ { event: cart_added }, { api: enroll, where: input.cart < 3 } ]
key: "has(input.cart) ? input.cart : event.properties.cart"
reentry: { concurrent: 1, on_conflict: restart }
goals: [ { id: bought, event: purchase, match_key: true, within: 2h } ]
exit: [ { event: cart_emptied, match_key: true, reason: emptied } ]
steps:
  wait: { delay: 10m, next: remind }
  remind: { message: { content: reminder, channels: [push, email], await: sent }, next: think, on_error: give_up, timeout: { after: 3h, next: give_up } }
  think:
    wait_until:
      - { event: purchase, match_key: true, next: thanks }
      - { when: 'history.count("page_viewed", "30m") >= 3', next: thanks }
      - { after: 1h, next: give_up }
  thanks: { update: { traits.bought: "true", vars.n: 'history.count("purchase")' }, next: end }
  give_up: { emit: { event: gave_up, properties: { cart: instance.key } }, next: end }
---
journey: lapses
entry: [ { event: purchase } ]
reentry: { concurrent: 1, on_conflict: restart }
steps:
  quiet: { delay: 40m, next: tell }
  tell: { emit: { event: lapsed }, next: end }
---
journey: once
entry: [ { event: gave_up } ]
reentry: { again: never }
steps:
  hello: { message: { content: reminder, channels: [email] }, next: rest }
  rest: { wait_until: [ { event: lapsed, since: entry, next: end }, { after: 5h, next: end } ] }
---
journey: queued
entry: [ { event: page_viewed, where: event.properties.n > 5 } ]
reentry: { concurrent: 1, on_conflict: queue }
steps:
  rest: { delay: 7m, next: end }
---
journey: works
entry: [ { api: enroll }, { event: cart_added, where: event.properties.n > 5 } ]
reentry: { concurrent: 1, on_conflict: queue }
steps:
  score: { call: { worker: risk, input: { cart: "has(input.cart) ? input.cart : entry.properties.cart" } }, timeout: { after: 2h, next: visit }, on_error: end, next: note }
  note: { update: { vars.score: vars.score }, next: visit }
  visit: { task: { queue: care, sla: 20m, escalate: seniors }, timeout: { after: 5h, next: end }, on_error: end, next: end }
---
content: reminder
variants:
  - { channel: push, body: "Your cart {{ instance.key | default('') }}" }
  - { channel: email, subject: "Cart", body: "Still there" }
"#;

/// The catalog at a revision; both revisions hold the same journeys, so that adopting the second changes nothing but
/// the number.
pub(crate) fn catalog(revision: u64) -> Arc<Catalog> {
    let sources = [Source {
        name: "sim.yaml".to_owned(),
        text: DOCUMENTS.to_owned(),
    }];
    let report = check(&sources, &Catalog::default());
    assert!(
        report.is_publishable(),
        "the simulation's journeys are wrong:\n{}",
        report.render()
    );
    let documents: Vec<PublishedDocument> = report
        .documents
        .into_iter()
        .map(|document| PublishedDocument {
            kind: document.kind,
            id: document.id,
            version: 1,
            hash: document.hash,
            source_name: document.source_name,
            source: document.source,
        })
        .collect();
    let catalog = Catalog::build(CatalogRevision::new(revision), &documents);
    Arc::new(catalog.expect("checked just now"))
}
