//! What is set aside: dead letters and quarantined commands, over gRPC and on the command line.

use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, WorkerMessage, WorkerSession, wire};
use tests::{Ctl, NodeProcess, Refusals, wait_until};

use crate::world::{World, accept, event, programs, publish, send, write_file};

const HELLO: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps:
  greet: { message: { content: hi, channels: [push] }, next: end }
---
content: hi
variants: [ { channel: push, body: 'Hello {{ customer.id }}' } ]
";

/// Two attempts, at once after one another.
const TWO_ATTEMPTS: &str = "\
[channels.push.retry]
attempts-max = 2
pause-first = '10ms'
pause-max = '20ms'
";

async fn small_budget() -> anyhow::Result<World> {
    let folder = tempfile::tempdir()?;
    let config = write_file(folder.path(), "node.toml", TWO_ATTEMPTS)?;
    let arguments = ["--partitions", "2", "--config", config.as_str()];
    let node = NodeProcess::start(&programs(), &folder.path().join("data"), &arguments)?;
    let client = Client::connect(node.address()).await?;
    let ctl = Ctl::new(&programs(), node.address());
    publish(&client, HELLO).await?;
    Ok(World {
        node,
        client,
        ctl,
        folder,
    })
}

async fn answer(session: &mut WorkerSession, result: Outcome) -> anyhow::Result<wire::Effect> {
    loop {
        if let WorkerMessage::Effect(effect) = session.next().await? {
            let outcome = wire::Outcome {
                effect_id: effect.effect_id.clone(),
                attempt: effect.attempt,
                result: result.into(),
                reason: "provider is down".to_owned(),
                ..Default::default()
            };
            session.settle(vec![outcome]).await?;
            return Ok(*effect);
        }
    }
}

async fn letters(client: &Client) -> anyhow::Result<Vec<wire::DeadLetter>> {
    let request = wire::ListSetAsideRequest::default();
    Ok(client.list_dead_letters(request).await?.dead_letters)
}

#[tokio::test]
async fn a_dead_letter_is_listed_read_replayed_and_discarded() -> anyhow::Result<()> {
    let mut world = small_budget().await?;
    let subscribe = wire::Subscribe {
        worker: "mailer-1".to_owned(),
        ..Default::default()
    };
    let mut session = world.client.work(subscribe.clone()).await?;
    for customer in ["ann", "bob"] {
        accept(&world.client, event(customer, "1", "signed_up")).await?;
        for _ in 0..2 {
            answer(&mut session, Outcome::FailedForNow).await?;
        }
    }
    let client = world.client.clone();
    let found = wait_until("two dead letters", async || {
        let found = letters(&client).await.ok()?;
        (found.len() == 2).then_some(found)
    })
    .await?;
    let told = wait_until("the figures of dead letters", async || {
        let told = |series| crate::health::metric(&world.node, series).ok().flatten();
        (told("dlq_messages")? == 2.0).then(|| told("dlq_bytes"))
    });
    assert!(told.await? > Some(0.0));
    // They outlive the process.
    world.crash().await?;
    assert_eq!(letters(&world.client).await?.len(), 2);
    let ann = found.iter().find(|letter| letter.customer_id == "ann");
    let ann = ann.expect("one of the two").effect_id.clone();
    let read = world.ctl.run(&["deadletter", "read", &ann])?;
    for text in ["mailer-1", "provider is down", "Hello ann", "hello v1"] {
        assert!(read.stdout.contains(text), "{text}: {}", read.stdout);
    }
    let listed = world
        .ctl
        .run(&["deadletter", "list", "--channel", "push"])?;
    assert!(
        listed.stdout.contains("2 dead letters on this node"),
        "{}",
        listed.stdout
    );
    let dry = ["deadletter", "replay", "--customer", "ann", "--dry-run"];
    let dry = world.ctl.run(&dry)?;
    assert!(dry.stdout.contains("1 would be replayed"), "{}", dry.stdout);
    assert_eq!(letters(&world.client).await?.len(), 2);
    // Replayed: the same effect comes to a worker again, and is settled.
    let replayed = world.ctl.run(&["deadletter", "replay", &ann])?;
    assert!(
        replayed.stdout.contains("its instance has ended")
            && replayed.stdout.contains("1 of 1 replayed"),
        "{}",
        replayed.stdout
    );
    let mut session = world.client.work(subscribe).await?;
    let again = answer(&mut session, Outcome::Sent).await?;
    assert_eq!((again.effect_id, again.attempt), (ann, 3));
    // Everything that is left is given up, once that is said.
    let refused = world.ctl.run(&["deadletter", "discard"])?;
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    let discarded = world.ctl.run(&["deadletter", "discard", "--yes"])?;
    assert!(
        discarded.stdout.contains("1 of 1 discarded"),
        "{}",
        discarded.stdout
    );
    assert!(letters(&world.client).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_poison_event_is_quarantined_and_survives_a_crash() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let poisoned = programs().with_environment("JOURNEY_TEST_POISON", "boom");
    let arguments = ["--partitions", "2"];
    let mut node = NodeProcess::start(&poisoned, &folder.path().join("data"), &arguments)?;
    let client = Client::connect(node.address()).await?;
    let ctl = Ctl::new(&programs(), node.address());
    let refused = send(&client, event("ann", "1", "boom")).await?;
    assert_eq!(refused.reason, "QUARANTINED");
    assert!(
        !refused.retry && !refused.quarantine_id.is_empty(),
        "{refused:?}"
    );
    // The customer goes on.
    accept(&client, event("ann", "2", "seen")).await?;
    node.kill()?;
    node.restart()?;
    let shown = ctl.run(&["quarantine", "show", &refused.quarantine_id])?;
    assert!(
        shown.stdout.contains("boom") && shown.stdout.contains("poisoned by the test"),
        "{}",
        shown.stdout
    );
    // A node without the fault takes the event in.
    drop(node);
    let node = NodeProcess::start(&programs(), &folder.path().join("data"), &arguments)?;
    let client = Client::connect(node.address()).await?;
    let ctl = Ctl::new(&programs(), node.address());
    let listed = ctl.run(&["quarantine", "list", "--customer", "ann"])?;
    assert!(
        listed.stdout.contains("1 quarantined command on this node"),
        "{}",
        listed.stdout
    );
    let replayed = ctl.run(&["quarantine", "replay", &refused.quarantine_id])?;
    assert!(
        replayed.stdout.contains("1 of 1 replayed"),
        "{} {}",
        replayed.stdout,
        replayed.stderr
    );
    let again = send(&client, event("ann", "1", "boom")).await?;
    assert_eq!(again.status(), wire::event_result::Status::Duplicate);
    let discarded = ctl.run(&["quarantine", "discard", "--yes"])?;
    assert!(
        discarded.stdout.contains("0 of 0 discarded"),
        "{}",
        discarded.stdout
    );
    let released = ctl.run(&["quarantine", "release", "ann"])?;
    assert!(
        released.stdout.contains("ann was not parked"),
        "{}",
        released.stdout
    );
    Ok(())
}

/// Three failures in a minute park a customer; that outlives the process, and so does its release.
#[tokio::test]
async fn a_parked_customer_stays_parked_over_a_crash_until_it_is_released() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let poisoned = programs().with_environment("JOURNEY_TEST_POISON", "boom");
    let arguments = ["--partitions", "2"];
    let mut node = NodeProcess::start(&poisoned, &folder.path().join("data"), &arguments)?;
    let client = Client::connect(node.address()).await?;
    let mut table = Refusals::new(
        "set-aside",
        "Commands in quarantine and parked customers",
        "What the caller hears when deciding a command panics, and when that happened three times in a minute to one customer. \
         `journeyctl quarantine list|show|replay|discard|release` is for the operator.",
    );
    for id in ["1", "2", "3"] {
        let refused = send(&client, event("ann", id, "boom")).await?;
        assert_eq!(refused.reason, "QUARANTINED");
        if id == "1" {
            table.row(
                "Ingest, an event on which deciding panics",
                &refused.message,
            )?;
        }
    }
    let refused = send(&client, event("ann", "4", "seen")).await?;
    table.row("Ingest, another event of that customer", &refused.message)?;
    assert_eq!(
        (refused.reason.as_str(), refused.retry),
        ("CUSTOMER_PARKED", false)
    );
    node.kill()?;
    drop(node);
    // Also on a node without the fault: an operator has the word.
    let mut node = NodeProcess::start(&programs(), &folder.path().join("data"), &arguments)?;
    let client = Client::connect(node.address()).await?;
    let refused = send(&client, event("ann", "4", "seen")).await?;
    assert_eq!(refused.reason, "CUSTOMER_PARKED");
    accept(&client, event("bob", "1", "seen")).await?;
    let ctl = Ctl::new(&programs(), node.address());
    let listed = ctl.run(&["quarantine", "list"])?;
    for text in [
        "PARKED: ann",
        "poisoned by the test",
        "quarantine release ann",
    ] {
        assert!(listed.stdout.contains(text), "{text}: {}", listed.stdout);
    }
    for said in ["ann goes on", "ann was not parked"] {
        let released = ctl.run(&["quarantine", "release", "ann"])?;
        assert!(released.stdout.contains(said), "{}", released.stdout);
    }
    node.kill()?;
    node.restart()?;
    let client = Client::connect(node.address()).await?;
    accept(&client, event("ann", "4", "seen")).await?;
    table.hold()
}
