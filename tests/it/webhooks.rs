//! Effects over the webhook connector: a real node, and a real HTTP server in a process of its own.

use journey_client::wire::outcome::Result as Outcome;
use journey_client::{WorkerMessage, wire};
use journey_delivery::{Secret, sign};
use journey_types::{Timestamp, Value};
use tests::{ReceivedRequest, ReceiverProcess, wait_until};

use crate::world::{World, accept, counts, event, event_with, programs, publish, write_file};

const SECRET: &str = "whsec_0123456789abcdef";

const HELLO: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps:
  greet: { message: { content: hi, channels: [push, email], await: sent }, next: end, on_error: end }
---
content: hi
variants: [ { channel: email, subject: Hi, body: 'Hello {{ customer.id }}' }, { channel: push, body: 'Hey {{ customer.id }}' } ]
";

/// A node whose push messages go to a receiver.
async fn world_with_receiver(answer: &str) -> anyhow::Result<(World, ReceiverProcess)> {
    let folder = tempfile::tempdir()?;
    let receiver = ReceiverProcess::start(&programs(), &folder.path().join("receiver"), answer)?;
    let secret = write_file(folder.path(), "secret", &format!("{SECRET}\n"))?;
    let config = format!(
        "[connectors.crm]\nkind = \"webhook\"\nurl = \"{}/hook\"\nsecret-file = \"{secret}\"\nchannels = [\"push\"]\n\
         allow-private = true\ntimeout = \"2s\"\n\
         retry = {{ pause-first = \"10ms\", pause-max = \"100ms\" }}\n\
         breaker = {{ failures = 3, window = \"10s\", open-for = \"200ms\" }}\n",
        receiver.address()
    );
    let config = write_file(folder.path(), "node.toml", &config)?;
    let world = World::start_in(folder, &["--config", &config]).await?;
    Ok((world, receiver))
}

/// Waits until the receiver has got so many requests, and returns all.
async fn received(receiver: &ReceiverProcess, n: usize) -> anyhow::Result<Vec<ReceivedRequest>> {
    let what = format!("{n} requests at the receiver");
    let look = || async {
        let received = receiver.received();
        received.map_or_else(
            |error| Some(Err(error)),
            |received| (received.len() >= n).then_some(Ok(received)),
        )
    };
    wait_until(&what, look).await?
}

async fn wait_completed(world: &World, n: u64) -> anyhow::Result<()> {
    let look = || async {
        let counts = counts(&world.client, "hello").await.ok()?;
        (counts.completed == n).then_some(())
    };
    wait_until("every instance to complete", look).await
}

/// The signature is checked as a receiver would: over its own `t` and the body as it arrived.
fn expect_signed(request: &ReceivedRequest) -> anyhow::Result<()> {
    let signature = request.header("journeyd-signature");
    let unix_secs = signature.split([',', '=']).nth(1).unwrap_or_default();
    let at = Timestamp::from_unix_ms(unix_secs.parse::<i64>()? * 1_000);
    let secret = Secret::from_file_content(SECRET.as_bytes())?;
    assert_eq!(signature, sign(&secret, at, request.body.as_bytes()));
    Ok(())
}

#[tokio::test]
async fn messages_are_posted_signed_and_settled() -> anyhow::Result<()> {
    let (world, receiver) = world_with_receiver("200").await?;
    publish(&world.client, HELLO).await?;
    for number in 0..20 {
        let customer = format!("c{number}");
        accept(&world.client, event(&customer, "1", "signed_up")).await?;
    }
    wait_completed(&world, 20).await?;
    let requests = received(&receiver, 20).await?;
    assert_eq!(requests.len(), 20, "each effect once");
    let mut keys = std::collections::BTreeSet::new();
    for request in &requests {
        expect_signed(request)?;
        let body = request.json()?;
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        assert_eq!(body["effect_id"], request.header("idempotency-key"));
        assert_eq!(
            (&body["kind"], &body["channel"]),
            (&"message".into(), &"push".into())
        );
        let customer = body["customer_id"].as_str().unwrap();
        assert_eq!(body["rendered"]["body"], format!("Hey {customer}"));
        assert!(keys.insert(request.header("idempotency-key").to_owned()));
    }
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn a_crash_between_delivery_and_settling_repeats_the_same_key() -> anyhow::Result<()> {
    let (mut world, receiver) = world_with_receiver("hold").await?;
    publish(&world.client, HELLO).await?;
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    let before = received(&receiver, 1).await?;
    world.node.kill()?;
    let before = receiver.received()?.len().max(before.len());
    receiver.answer("200")?;
    world.node.restart()?;
    world.client = journey_client::Client::connect(world.node.address()).await?;
    let requests = received(&receiver, before + 1).await?;
    wait_completed(&world, 1).await?;
    let (first, again) = (&requests[0], &requests[before]);
    assert_eq!(
        first.header("idempotency-key"),
        again.header("idempotency-key")
    );
    let attempt = |request: &ReceivedRequest| request.json().map(|body| body["attempt"].as_u64());
    assert!(attempt(again)? > attempt(first)?, "{requests:?}");
    assert_eq!(
        receiver.received()?.len(),
        before + 1,
        "settled, so not sent again"
    );
    Ok(())
}

#[tokio::test]
async fn a_failing_receiver_is_left_alone_and_everything_arrives_in_the_end() -> anyhow::Result<()>
{
    let (world, receiver) = world_with_receiver("503").await?;
    publish(&world.client, HELLO).await?;
    for number in 0..10 {
        let customer = format!("c{number}");
        accept(&world.client, event(&customer, "1", "signed_up")).await?;
    }
    let opened = || async {
        let warnings = world.node.warnings();
        let opened = warnings.iter().any(|line| line.contains("breaker opened"));
        opened.then_some(())
    };
    wait_until("the breaker to open", opened).await?;
    receiver.answer("200")?;
    wait_completed(&world, 10).await?;
    let requests = receiver.received()?;
    let keys: std::collections::BTreeSet<&str> = requests
        .iter()
        .map(|request| request.header("idempotency-key"))
        .collect();
    assert_eq!(keys.len(), 10, "the same keys over all attempts");
    Ok(())
}

#[tokio::test]
async fn what_is_refused_for_good_goes_to_the_next_channel() -> anyhow::Result<()> {
    let (world, receiver) = world_with_receiver("410").await?;
    publish(&world.client, HELLO).await?;
    let email = wire::Subscribe {
        channels: vec!["email".to_owned()],
        ..Default::default()
    };
    let mut session = world.client.work(email).await?;
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    let effect = loop {
        if let WorkerMessage::Effect(effect) = session.next().await? {
            break effect;
        }
    };
    assert_eq!(effect.rendered["body"], "Hello ann");
    assert_eq!(receiver.received()?.len(), 1);
    let outcome = wire::Outcome {
        effect_id: effect.effect_id.clone(),
        attempt: effect.attempt,
        result: Outcome::Sent.into(),
        ..Default::default()
    };
    session.settle(vec![outcome]).await?;
    wait_completed(&world, 1).await?;
    world.expect_no_warnings();
    Ok(())
}

const SCORED: &str = "\
journey: scored
entry: [ { event: applied } ]
steps:
  score: { call: { webhook: crm, input: { amount: entry.properties.amount } }, on_error: failed, next: keep }
  keep: { update: { traits.tier: vars.score.tier }, next: end }
  failed: { update: { traits.tier: \"'unscored'\" }, next: end }
";

async fn wait_tier(world: &World, customer: &str, tier: &str) -> anyhow::Result<()> {
    let look = || async {
        let output = world.ctl.run(&["customer", "show", customer]).ok()?;
        output.stdout.contains(tier).then_some(())
    };
    wait_until(&format!("the tier {tier} of {customer}"), look).await
}

#[tokio::test]
async fn the_answer_to_a_call_lands_in_the_journey() -> anyhow::Result<()> {
    let (world, receiver) = world_with_receiver("200 {\"tier\": \"gold\"}").await?;
    publish(&world.client, SCORED).await?;
    let applied =
        |customer: &str| event_with(customer, "1", "applied", &[("amount", Value::Int(900))]);
    accept(&world.client, applied("ann")).await?;
    wait_tier(&world, "ann", "gold").await?;
    let request = received(&receiver, 1).await?.remove(0);
    expect_signed(&request)?;
    let body = request.json()?;
    assert_eq!(
        (&body["kind"], &body["step"]),
        (&"call".into(), &"score".into())
    );
    assert_eq!(body["input"]["amount"], 900);
    // What is refused for good fails the step.
    receiver.answer("404")?;
    accept(&world.client, applied("cem")).await?;
    wait_tier(&world, "cem", "unscored").await?;
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn a_call_to_a_connector_that_the_node_does_not_have_is_refused_by_name() -> anyhow::Result<()>
{
    let (world, _receiver) = world_with_receiver("200").await?;
    let wrong = SCORED.replace("webhook: crm", "webhook: crn");
    let refused = publish(&world.client, &wrong)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("crn"), "{refused}");
    let file = world.file("wrong.yaml", &wrong)?;
    let output = world.ctl.run(&["journey", "publish", &file])?;
    assert_ne!(output.code, 0);
    let shown = format!("{}{}", output.stdout, output.stderr);
    assert!(shown.contains("did you mean `crm`?"), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn a_connector_that_is_gone_is_told_of_at_start_in_health_and_among_stopped_queues()
-> anyhow::Result<()> {
    let (mut world, _receiver) = world_with_receiver("200").await?;
    publish(&world.client, SCORED).await?;
    world.expect_no_warnings();
    let config = world.folder.path().join("node.toml");
    std::fs::write(config, "")?;
    world.crash().await?;
    let told =
        |line: &String| line.contains("a connector that is not configured") && line.contains("crm");
    let warnings = world.node.warnings();
    assert_eq!(
        warnings.iter().filter(|line| told(line)).count(),
        1,
        "{warnings:#?}"
    );
    let verbose = tests::http_get(world.node.http(), "/healthz?verbose")?;
    assert_eq!(verbose.code, 200, "others are served: {verbose:?}");
    assert!(
        verbose.body.contains("connector crm is not configured"),
        "{verbose:?}"
    );
    let listed = world.ctl.run(&["deadletter", "list"])?;
    for text in ["STOPPED: ", "crm", "configure it again"] {
        assert!(listed.stdout.contains(text), "{text}: {}", listed.stdout);
    }
    Ok(())
}
