//! Claims about the rules, each on its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_model::{Catalog, Content, PublishedDocument, Source, StepKind, check};
use journey_types::{
    CatalogRevision, Channel, CustomerEvent, CustomerId, CustomerKey, EventId, EventName,
    InstanceNumber, SourceName, Timestamp, Value, WorkspaceId,
};

use super::{Intent, IntentOrigin, Round, Ruling, rule};
use crate::entrance::Entrance;
use crate::event::InstanceRef;
use crate::state::{CustomerState, FallbackScope};

const YAML: &str = "
journey: one
entry: [{ event: start }]
steps:
  say: { message: { content: note, channels: [push, sms, email] } }
---
content: note
variants:
  - { channel: push, body: Hi }
  - { channel: sms, body: Hi }
  - { channel: email, subject: Hi, body: Hi }
";

fn catalog() -> Catalog {
    let report = check(&[Source::new("test.yaml", YAML)], &Catalog::default());
    let documents = report
        .documents
        .into_iter()
        .map(|document| PublishedDocument {
            kind: document.kind,
            id: document.id,
            version: 1,
            hash: document.hash,
            source_name: document.source_name,
            source: document.source,
        });
    let documents: Vec<PublishedDocument> = documents.collect();
    Catalog::build(CatalogRevision::new(1), &documents).unwrap()
}

fn customer() -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new("anna").unwrap(),
    }
}

fn channel(name: &str) -> Channel {
    Channel::new(name).unwrap()
}

/// Rules on one intent, with traits, channels that failed, and a change to the catalog.
fn ruling(
    traits: &[(&str, Value)],
    failed_channels: &[&str],
    change: impl FnOnce(&mut Catalog),
) -> Ruling {
    let mut catalog = catalog();
    change(&mut catalog);
    let mut state = CustomerState::new(customer());
    let traits = traits
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    state.traits = Arc::new(traits.collect());
    let plan = catalog.journeys.values().next().unwrap();
    let plan = &plan.versions[&plan.newest];
    let step = plan.step(plan.start);
    let StepKind::Message(message) = &step.kind else {
        panic!("the first step is a message");
    };
    let entry = CustomerEvent {
        customer: customer(),
        source: SourceName::new("test").unwrap(),
        id: EventId::new("1").unwrap(),
        name: EventName::new("start").unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: BTreeMap::new(),
    };
    let intent = Intent {
        instance: InstanceRef {
            number: InstanceNumber::new(1),
            journey: plan.journey.clone(),
            version: plan.version,
        },
        plan,
        step,
        message,
        scope: Arc::new(FallbackScope {
            key: None,
            entry: Entrance::Event(Arc::new(entry)),
            entered_at: Timestamp::EPOCH,
            vars: BTreeMap::new(),
        }),
        failed_channels: failed_channels.iter().map(|name| channel(name)).collect(),
        origin: IntentOrigin::Step,
        depth: 0,
    };
    let round = Round {
        state: &state,
        catalog: &catalog,
        intents: &[intent],
    };
    rule(&round).remove(0)
}

fn without_variant(name: &str) -> impl FnOnce(&mut Catalog) {
    let name = channel(name);
    move |catalog| {
        let content = catalog.contents.values_mut().next().unwrap();
        let content: &mut Content = Arc::make_mut(content);
        content.variants.remove(&name);
    }
}

fn granted(ruling: Ruling) -> (String, usize) {
    match ruling {
        Ruling::Grant { channel, rest, .. } => (channel.to_string(), rest.len()),
        Ruling::Refuse(reason) => (reason.to_owned(), 0),
    }
}

#[test]
fn channels_are_tried_in_listed_order() {
    assert_eq!(granted(ruling(&[], &[], |_| {})), ("push".to_owned(), 2));
    assert_eq!(
        granted(ruling(&[], &["push"], |_| {})),
        ("sms".to_owned(), 1)
    );
}

#[test]
fn the_preferred_channel_comes_first_unless_it_failed() {
    let preferred = [("preferred_channel", Value::text("email"))];
    assert_eq!(
        granted(ruling(&preferred, &[], |_| {})),
        ("email".to_owned(), 2)
    );
    let after = ruling(&preferred, &["email"], |_| {});
    assert_eq!(granted(after), ("push".to_owned(), 1));
    let unlisted = [("preferred_channel", Value::text("fax"))];
    assert_eq!(
        granted(ruling(&unlisted, &[], |_| {})),
        ("push".to_owned(), 2)
    );
}

#[test]
fn a_channel_without_a_variant_is_passed_over() {
    let passed = ruling(&[], &[], without_variant("push"));
    assert_eq!(granted(passed), ("sms".to_owned(), 1));
}

#[test]
fn with_no_channel_left_the_message_is_unreachable() {
    let ruling = ruling(&[], &["push", "sms", "email"], |_| {});
    assert_eq!(ruling, Ruling::Refuse("unreachable"));
}

#[test]
fn a_purpose_other_than_service_has_no_consent() {
    let ruling = ruling(&[], &[], |catalog| {
        let versions = catalog.journeys.values_mut().next().unwrap();
        let plan = versions.versions.values_mut().next().unwrap();
        Arc::make_mut(plan).purpose = "marketing".to_owned();
    });
    assert_eq!(ruling, Ruling::Refuse("no_consent"));
}

#[test]
fn a_grant_says_why() {
    let Ruling::Grant { why, .. } = ruling(&[], &["push"], |_| {}) else {
        panic!("it is granted");
    };
    assert_eq!(
        why,
        "purpose service; channel sms is first available; after push failed"
    );
}
