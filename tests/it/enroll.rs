//! Entry by `api`: enroll calls over gRPC and on the command line, repeats, kills, quarantine.

use std::collections::BTreeMap;

use journey_client::wire::enroll_result::Status;
use journey_client::{Client, WorkerMessage, wire};
use journey_types::Value;
use tests::{Ctl, CtlOutput, NodeProcess};

use crate::world::{World, counts, programs, publish};

const HELP: &str = "\
journey: help
entry: [ { api: enroll, where: input.tier == 'gold' }, { event: asked } ]
key: \"has(input.case) ? input.case : event.properties.case\"
steps:
  say: { message: { content: hello, channels: [push] }, next: wait }
  wait: { wait_until: [ { event: solved, match_key: true, next: end }, { after: 30d, next: end } ] }
---
content: hello
variants: [ { channel: push, body: '{{ input.tier }} case {{ instance.key }}' } ]
---
journey: closed
entry: [ { event: asked } ]
steps: { rest: { delay: 1d } }
";

fn one(customer: &str, id: &str, input: &[(&str, Value)]) -> wire::Enrollment {
    let map = input.iter();
    let map = map.map(|(name, value)| ((*name).to_owned(), value.clone()));
    wire::Enrollment {
        customer_id: customer.to_owned(),
        id: id.to_owned(),
        input: Some(journey_client::struct_from_map(&map.collect())),
    }
}

fn gold(customer: &str, id: &str, case: &str) -> wire::Enrollment {
    let input = [("tier", Value::text("gold")), ("case", Value::text(case))];
    one(customer, id, &input)
}

async fn enroll(
    client: &Client,
    journey: &str,
    customers: Vec<wire::Enrollment>,
) -> anyhow::Result<Vec<(Status, String)>> {
    let request = wire::EnrollRequest {
        workspace: String::new(),
        journey: journey.to_owned(),
        customers,
    };
    let results = client.enroll(request).await?.results;
    let told = results
        .into_iter()
        .map(|result| (result.status(), result.reason));
    Ok(told.collect())
}

fn lines(output: &CtlOutput) -> Vec<(String, String, String)> {
    let lines = output.stdout.lines();
    lines
        .map(|line| {
            let line: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("customer_id"), text("status"), text("reason"))
        })
        .collect()
}

#[tokio::test]
async fn customers_enter_by_the_api_and_each_is_answered_for_itself() -> anyhow::Result<()> {
    let world = World::with_journeys(HELP).await?;
    let (client, ctl) = (&world.client, &world.ctl);
    let batch = vec![
        gold("ann", "w1", "7"),
        gold("ann", "w1", "8"),
        one("bob", "w1", &[("tier", Value::text("tin"))]),
        one("bob", "w1", &[("tier", Value::text("gold"))]),
        gold("ann", "w2", "7"),
        gold("", "w1", "7"),
        gold("cid", "", "7"),
        one("cid", "w1", &[("text", Value::text("x".repeat(33_000)))]),
    ];
    let answered = enroll(client, "help", batch).await?;
    let expected = [
        (Status::Entered, ""),
        (Status::Duplicate, ""),
        (Status::Rejected, "where"),
        (Status::Rejected, "key_invalid"),
        (Status::Rejected, "conflict"),
        (Status::Rejected, "customer_id_invalid"),
        (Status::Rejected, "enroll_id_invalid"),
        (Status::Rejected, "input_too_large"),
    ];
    let expected = expected.map(|(status, reason)| (status, reason.to_owned()));
    assert_eq!(answered, expected);
    // What was said is what the input says.
    let mut session = client.work(wire::Subscribe::default()).await?;
    let WorkerMessage::Effect(effect) = session.next().await? else {
        anyhow::bail!("no effect");
    };
    assert_eq!(effect.rendered["body"], "gold case 7");

    // On the command line: named, out of a file, both with what they lack from the command.
    let file =
        "cid\n{\"customer_id\":\"dan\",\"input\":{\"tier\":\"tin\"}}\n\n{\"customer\":\"x\"}\n";
    let file = world.file("customers.txt", file)?;
    let input = r#"{"tier":"gold","case":9}"#;
    let words = [
        "journey",
        "enroll",
        "help",
        "--customer",
        "bob",
        "--ids",
        &file,
    ];
    let words = [&words[..], &["--input", input, "--id", "wave"]].concat();
    let table = ctl.run(&words)?;
    assert_eq!(table.code, 1, "{table:?}");
    let said =
        "2 of 4 customers entered help, 0 wait for a place, 0 duplicate, 2 rejected; id wave";
    assert!(table.stdout.contains(said), "{}", table.stdout);
    assert!(table.stdout.contains("1 no_customer"), "{}", table.stdout);
    let place = format!("{file}:4: no_customer: ");
    assert!(table.stderr.contains(&place), "{}", table.stderr);
    assert!(table.stderr.contains("dan: where: "), "{}", table.stderr);
    let again = ctl.run(&[&words[..], &["-o", "json"]].concat())?;
    let told = [
        ("bob", "duplicate", ""),
        ("cid", "duplicate", ""),
        ("dan", "rejected", "where"),
    ];
    let told =
        told.map(|(id, status, reason)| (id.to_owned(), status.to_owned(), reason.to_owned()));
    assert_eq!(lines(&again), told);
    assert_eq!(counts(client, "help").await?.entered, 3);
    assert_eq!(counts(client, "help").await?.refused["key_invalid"], 1);

    // What is no call at all says what to do.
    for (words, texts) in [
        (
            &["nobody"][..],
            &["no journey `nobody`", "journey list"][..],
        ),
        (&["closed"], &["has no entry by `api`", "api: enroll"]),
        (&["Help!"], &["journey id"]),
        (&["help", "--input", "gold"], &["--input", "no JSON object"]),
        (
            &["help", "--ids", "/nowhere"],
            &["opening /nowhere", "No such file"],
        ),
    ] {
        let words = [&["journey", "enroll"], words, &["--customer", "eve"]].concat();
        let refused = ctl.run(&words)?;
        assert_eq!(refused.code, 1, "{refused:?}");
        for text in texts {
            assert!(refused.stderr.contains(text), "{text}: {}", refused.stderr);
        }
    }
    assert_eq!(ctl.run(&["journey", "enroll", "help"])?.code, 2);
    let launch = ctl.run(&["journey", "launch", "help", "--where", "true"])?;
    assert!(
        launch.stderr.contains("`launch` is not available yet"),
        "{launch:?}"
    );
    for n_customers in [0, 1_001] {
        let error = enroll(client, "help", vec![gold("eve", "w", "1"); n_customers]).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("1 to 1000 are allowed"), "{error}");
    }
    world.expect_no_warnings();
    Ok(())
}

/// Customers of the round that were not answered; what is unknown is asked again with the same id.
async fn enroll_until_killed(
    address: &str,
    mut left: Vec<String>,
) -> anyhow::Result<(u64, Vec<String>)> {
    let mut n_entered = 0;
    let client = Client::connect(address).await?;
    while !left.is_empty() {
        let batch: Vec<String> = left.iter().take(20).cloned().collect();
        let customers = batch.iter().map(|customer| gold(customer, "wave", "1"));
        let Ok(answers) = enroll(&client, "help", customers.collect()).await else {
            break;
        };
        for (customer, (status, reason)) in batch.iter().zip(answers) {
            match status {
                Status::Entered | Status::Duplicate => {
                    n_entered += u64::from(status == Status::Entered);
                    left.retain(|other| other != customer);
                }
                Status::Refused => {}
                Status::Queued | Status::Rejected | Status::Unspecified => {
                    anyhow::bail!("{customer}: {status:?} {reason}")
                }
            }
        }
    }
    Ok((n_entered, left))
}

#[tokio::test]
async fn repeats_with_the_same_ids_enroll_everyone_once_whatever_is_killed() -> anyhow::Result<()> {
    const N_CUSTOMERS: u64 = 400;
    let mut world = World::with_journeys(HELP).await?;
    let all: Vec<String> = (0..N_CUSTOMERS).map(|n| format!("c{n}")).collect();
    let mut left = all.clone();
    for round in 0..3 {
        let n_before = counts(&world.client, "help").await?.entered;
        let address = world.node.address().to_owned();
        let task = tokio::spawn(async move { enroll_until_killed(&address, left).await });
        let client = world.client.clone();
        tests::wait_until("some to have entered", async || {
            let counted = counts(&client, "help").await.ok()?;
            (counted.entered > n_before || counted.entered == N_CUSTOMERS).then_some(())
        })
        .await?;
        world.crash().await?;
        let (n_told, unanswered) = task.await??;
        left = unanswered;
        let entered = counts(&world.client, "help").await?.entered;
        assert!(
            entered >= n_before + n_told,
            "round {round}: {entered} after {n_told}"
        );
    }
    let address = world.node.address().to_owned();
    let (_, left) = enroll_until_killed(&address, left).await?;
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(counts(&world.client, "help").await?.entered, N_CUSTOMERS);
    // The same command again, by someone who has lost every answer.
    let (n_entered, left) = enroll_until_killed(&address, all).await?;
    assert_eq!((n_entered, left.len()), (0, 0));
    assert_eq!(counts(&world.client, "help").await?.entered, N_CUSTOMERS);
    Ok(())
}

#[tokio::test]
async fn a_poison_enroll_call_is_quarantined_and_taken_in_again() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let poisoned = programs().with_environment("JOURNEY_TEST_POISON", "boom");
    let (data, arguments) = (folder.path().join("data"), ["--partitions", "2"]);
    let node = NodeProcess::start(&poisoned, &data, &arguments)?;
    let client = Client::connect(node.address()).await?;
    publish(&client, HELP).await?;
    let answered = enroll(&client, "help", vec![gold("ann", "boom", "7")]).await?;
    assert_eq!(answered, [(Status::Rejected, "QUARANTINED".to_owned())]);
    drop(node);
    let node = NodeProcess::start(&programs(), &data, &arguments)?;
    let client = Client::connect(node.address()).await?;
    let ctl = Ctl::new(&programs(), node.address());
    let listed = ctl.run(&["quarantine", "list"])?;
    assert!(
        listed.stdout.contains("into help (boom)"),
        "{}",
        listed.stdout
    );
    let listed = client
        .list_quarantined(wire::ListSetAsideRequest::default())
        .await?;
    let id = listed.commands[0].id.as_str();
    let shown = ctl.run(&["quarantine", "show", id])?;
    assert!(shown.stdout.contains("tier = \"gold\""), "{}", shown.stdout);
    let replayed = ctl.run(&["quarantine", "replay", id])?;
    assert!(replayed.stdout.contains("1 of 1 replayed"), "{replayed:?}");
    assert_eq!(counts(&client, "help").await?.entered, 1);
    let again = enroll(&client, "help", vec![gold("ann", "boom", "7")]).await?;
    assert_eq!(again[0].0, Status::Duplicate);
    Ok(())
}
