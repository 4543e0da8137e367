//! Effects out: claims, acks, redelivery, channels.

use std::collections::{BTreeSet, VecDeque};

use journey_client::wire::outcome::Result as Outcome;
use journey_client::wire::outcome_result::Status as OutcomeStatus;
use journey_client::{WorkerMessage, WorkerSession, wire};
use journey_types::Value;
use tests::wait_until;

use crate::world::{World, accept, event, event_with};

/// How long a test waits for what must come.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

const HELLO: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps:
  greet: { message: { content: hi, channels: [push, email], await: sent }, next: end, on_error: end }
---
content: hi
variants: [ { channel: email, subject: Hi, body: 'Hello {{ customer.id }}' }, { channel: push, body: Hey } ]
";

/// A worker's session that keeps the effects that come while it waits for results.
struct Worker {
    session: WorkerSession,
    waiting: VecDeque<wire::Effect>,
}

impl Worker {
    async fn subscribe(world: &World, subscribe: wire::Subscribe) -> anyhow::Result<Self> {
        Ok(Self {
            session: world.client.work(subscribe).await?,
            waiting: VecDeque::new(),
        })
    }

    async fn next_effect(&mut self) -> anyhow::Result<wire::Effect> {
        if let Some(effect) = self.waiting.pop_front() {
            return Ok(effect);
        }
        loop {
            if let WorkerMessage::Effect(effect) = self.session.next().await? {
                return Ok(*effect);
            }
        }
    }

    async fn settle(
        &mut self,
        effect: &wire::Effect,
        result: Outcome,
    ) -> anyhow::Result<OutcomeStatus> {
        let outcome = wire::Outcome {
            effect_id: effect.effect_id.clone(),
            attempt: effect.attempt,
            result: result.into(),
            reason: "test".to_owned(),
            ..Default::default()
        };
        self.session.settle(vec![outcome]).await?;
        loop {
            match self.session.next().await? {
                WorkerMessage::Results(results) => return Ok(results[0].status()),
                WorkerMessage::Effect(effect) => self.waiting.push_back(*effect),
            }
        }
    }
}

#[tokio::test]
async fn an_effect_comes_back_until_it_is_settled() -> anyhow::Result<()> {
    let mut world = World::with_journeys(HELLO).await?;
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    let mut session = Worker::subscribe(&world, wire::Subscribe::default()).await?;
    let first = session.next_effect().await?;
    assert_eq!((first.channel.as_str(), first.attempt), ("push", 1));
    assert!(
        !first.why.is_empty() && first.until.is_some() && first.purpose == "service",
        "{first:?}"
    );
    assert_eq!(first.rendered["body"], "Hey");
    // Failed for now: the same effect comes again, with the next attempt.
    assert_eq!(
        session.settle(&first, Outcome::FailedForNow).await?,
        OutcomeStatus::Recorded
    );
    let second = session.next_effect().await?;
    assert_eq!((&second.effect_id, second.attempt), (&first.effect_id, 2));
    // A crash of the node changes neither the id nor what was recorded.
    world.crash().await?;
    let mut session = Worker::subscribe(&world, wire::Subscribe::default()).await?;
    assert_eq!(
        session.settle(&second, Outcome::FailedForGood).await?,
        OutcomeStatus::Recorded
    );
    assert_eq!(
        session.settle(&second, Outcome::Sent).await?,
        OutcomeStatus::Settled
    );
    // The next channel is another effect.
    let email = session.next_effect().await?;
    assert_eq!((email.channel.as_str(), email.attempt), ("email", 1));
    assert_ne!(email.effect_id, first.effect_id);
    assert_eq!(email.rendered["body"], "Hello ann");
    assert_eq!(
        session.settle(&email, Outcome::Sent).await?,
        OutcomeStatus::Recorded
    );
    let counts = crate::world::counts(&world.client, "hello").await?;
    assert_eq!((counts.completed, counts.active), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_worker_takes_only_its_channels_and_its_credit() -> anyhow::Result<()> {
    let world = World::with_journeys(HELLO).await?;
    for number in 0..5 {
        accept(
            &world.client,
            event(&format!("c{number}"), "1", "signed_up"),
        )
        .await?;
    }
    let email = wire::Subscribe {
        channels: vec!["email".to_owned()],
        ..Default::default()
    };
    let _idle = Worker::subscribe(&world, email).await?;
    let push = wire::Subscribe {
        channels: vec!["push".to_owned()],
        credit: 2,
        ..Default::default()
    };
    let mut session = Worker::subscribe(&world, push).await?;
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        let effect = session.next_effect().await?;
        assert_eq!(effect.channel, "push");
        assert!(ids.insert(effect.effect_id.clone()), "an effect came twice");
        session.settle(&effect, Outcome::Sent).await?;
    }
    assert_eq!(ids.len(), 5);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_returns_everything_gets_it_after_pauses_and_people_see_why()
-> anyhow::Result<()> {
    let world = World::with_journeys(HELLO).await?;
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    let mut session = Worker::subscribe(&world, wire::Subscribe::default()).await?;
    let first = session.next_effect().await?;
    let mut effect = first.clone();
    for attempt in 1..=4 {
        assert_eq!(
            (&effect.effect_id, effect.attempt),
            (&first.effect_id, attempt)
        );
        let status = session.settle(&effect, Outcome::Returned).await?;
        assert_eq!(status, OutcomeStatus::Recorded);
        if attempt < 4 {
            effect = session.next_effect().await?;
        }
    }
    let returned_at = tokio::time::Instant::now();
    let list = wire::ListInstancesRequest {
        customer_id: "ann".to_owned(),
        ..Default::default()
    };
    let instances = world.client.list_instances(list).await?.instances;
    let waits_for = &instances[0].waits_for;
    assert!(
        waits_for.contains("after attempt 4: returned unbegun, 4 times in a row"),
        "{waits_for}"
    );
    let fifth = session.next_effect().await?;
    assert_eq!((&fifth.effect_id, fifth.attempt), (&first.effect_id, 5));
    let pause = returned_at.elapsed();
    // Measured from after its result: a little may be gone by then.
    assert!(pause > std::time::Duration::from_millis(500), "{pause:?}");
    session.settle(&fifth, Outcome::Sent).await?;
    let counts = crate::world::counts(&world.client, "hello").await?;
    assert_eq!((counts.completed, counts.active), (1, 0));
    wait_until("the metric counts the returns", || async {
        let returned = "journey_effects_returned_total";
        let n_returned = crate::health::metric(&world.node, returned).ok()??;
        (n_returned >= 4.0).then_some(())
    })
    .await?;
    world.expect_no_warnings();
    Ok(())
}

/// Credit follows the effects handed out on a stream: what was answered already, and what was handed to another stream,
/// frees none of it.
#[tokio::test]
async fn a_repeated_or_foreign_outcome_gives_no_credit() -> anyhow::Result<()> {
    let world = World::with_journeys(HELLO).await?;
    for number in 0..5 {
        let customer = format!("c{number}");
        accept(&world.client, event(&customer, "1", "signed_up")).await?;
    }
    let subscribe = |credit| wire::Subscribe {
        channels: vec!["push".to_owned()],
        credit,
        ..Default::default()
    };
    let mut other = Worker::subscribe(&world, subscribe(1)).await?;
    let foreign = other.next_effect().await?;
    let mut greedy = Worker::subscribe(&world, subscribe(1)).await?;
    let first = greedy.next_effect().await?;
    assert_eq!(
        greedy.settle(&first, Outcome::Sent).await?,
        OutcomeStatus::Recorded
    );
    let second = greedy.next_effect().await?;
    for _ in 0..3 {
        assert_eq!(
            greedy.settle(&first, Outcome::Sent).await?,
            OutcomeStatus::Settled
        );
    }
    assert_eq!(
        greedy.settle(&foreign, Outcome::Sent).await?,
        OutcomeStatus::Recorded,
        "any stream may answer"
    );
    // Whatever credit those answers had freed would be used by now: the partitions heard of it before this subscription.
    let mut last = Worker::subscribe(&world, subscribe(5)).await?;
    let mut seen =
        BTreeSet::from([&first, &second, &foreign].map(|effect| effect.effect_id.clone()));
    for _ in 0..2 {
        let effect = tokio::time::timeout(PATIENCE, last.next_effect()).await??;
        assert!(seen.insert(effect.effect_id), "an effect came twice");
    }
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn the_worker_command_prints_and_acknowledges() -> anyhow::Result<()> {
    let world = World::with_journeys(HELLO).await?;
    for number in 0..3 {
        accept(
            &world.client,
            event(&format!("c{number}"), "1", "signed_up"),
        )
        .await?;
    }
    let output = world.ctl.run(&["worker", "--limit", "3"])?;
    assert_eq!(output.code, 0, "{output:?}");
    let customers: BTreeSet<String> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|effect| effect["customerId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        customers,
        BTreeSet::from(["c0", "c1", "c2"].map(str::to_owned))
    );
    let counts = crate::world::counts(&world.client, "hello").await?;
    assert_eq!(counts.completed, 3);
    world.expect_no_warnings();
    Ok(())
}

const SCORED: &str = "\
journey: scored
entry: [ { event: applied } ]
steps:
  score: { call: { worker: risk, input: { amount: entry.properties.amount } }, on_error: ask, next: keep }
  keep: { update: { traits.score: vars.score.points }, next: ask }
  ask: { task: { queue: care, sla: 4h, escalate: leads, input: { points: \"has(vars.score) ? vars.score.points : 0\" } } }
";

#[tokio::test]
async fn calls_and_tasks_are_answered_over_queues() -> anyhow::Result<()> {
    let world = World::with_journeys(SCORED).await?;
    let applied = event_with("ann", "1", "applied", &[("amount", Value::Int(900))]);
    accept(&world.client, applied).await?;
    let answer = "{\"points\": 7}";
    let arguments = [
        "worker", "--queue", "risk", "--limit", "1", "--answer", answer,
    ];
    let output = world.ctl.run(&arguments)?;
    assert_eq!(output.code, 0, "{output:?}");
    let call: serde_json::Value = serde_json::from_str(output.stdout.trim())?;
    assert_eq!(
        (&call["kind"], &call["queue"]),
        (&"call".into(), &"risk".into())
    );
    assert_eq!(call["input"]["amount"], 900.0);
    let care = wire::Subscribe {
        queues: vec!["care".to_owned()],
        ..Default::default()
    };
    let mut care = Worker::subscribe(&world, care).await?;
    let task = care.next_effect().await?;
    assert_eq!((task.kind.as_str(), task.queue.as_str()), ("task", "care"));
    assert!(task.due_at.is_some() && task.input.is_some(), "{task:?}");
    assert_eq!(
        care.settle(&task, Outcome::Sent).await?,
        OutcomeStatus::Rejected,
        "a task is completed, not sent"
    );
    assert_eq!(
        care.settle(&task, Outcome::Completed).await?,
        OutcomeStatus::Recorded
    );
    let counts = crate::world::counts(&world.client, "scored").await?;
    assert_eq!(counts.completed, 1);
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn a_hand_over_is_confirmed_until_it_is_settled() -> anyhow::Result<()> {
    let world = World::with_journeys(HELLO).await?;
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    let mut session = Worker::subscribe(&world, wire::Subscribe::default()).await?;
    let effect = session.next_effect().await?;
    let confirm = |attempt| wire::ConfirmRequest {
        effect_id: effect.effect_id.clone(),
        attempt,
    };
    let confirmed = world.client.confirm(confirm(1)).await?;
    assert!(confirmed.stands, "{confirmed:?}");
    assert_eq!(confirmed.until, effect.until);
    let later = world.client.confirm(confirm(2)).await?;
    assert!(!later.stands && !later.reason.is_empty(), "{later:?}");
    // The stream is gone; its effect is settled without it.
    drop(session);
    let outcome = wire::Outcome {
        effect_id: effect.effect_id.clone(),
        attempt: 1,
        result: Outcome::Sent.into(),
        ..Default::default()
    };
    let outcomes = vec![outcome.clone(), outcome];
    let settled = world
        .client
        .settle(wire::SettleRequest { outcomes })
        .await?;
    let statuses: Vec<_> = settled
        .results
        .iter()
        .map(|result| result.status())
        .collect();
    assert_eq!(statuses, [OutcomeStatus::Recorded, OutcomeStatus::Settled]);
    let confirmed = world.client.confirm(confirm(1)).await?;
    assert!(!confirmed.stands, "{confirmed:?}");
    world.expect_no_warnings();
    Ok(())
}
