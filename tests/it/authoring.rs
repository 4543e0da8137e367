//! Authors: check, publish, list, show, counts.

use journey_client::wire;

use crate::world::{World, accept, event, publish};

const HELLO: &str = "\
journey: hello
title: Say hello
owner: growth
entry: [ { event: signed_up } ]
steps:
  greet: { message: { content: hi, channels: [email] }, next: rest }
  rest: { wait_until: [ { event: seen, next: end }, { after: 1d, next: end } ] }
---
content: hi
variants: [ { channel: email, subject: Hi, body: Hello } ]
";

const WRONG: &str = "\
journey: hello
entry: [ { event: signed_up, when: 'true' } ]
steps:
  greet: { message: { content: hy, channels: [email] }, next: rset }
  rest: { delay: 5 parsecs }
  late: { wait_until: [ { event: seen, where: !has(event.properties.x), next: end } ] }
";

#[tokio::test]
async fn check_reports_every_problem_with_its_place() -> anyhow::Result<()> {
    let world = World::start().await?;
    let path = world.file("wrong.yaml", WRONG)?;
    for flags in [
        &["journey", "check", &path][..],
        &["journey", "check", "--online", &path],
    ] {
        let output = world.ctl.run(flags)?;
        assert_eq!(output.code, 1, "{output:?}");
        for part in ["wrong.yaml:2", "`when`", "rset", "rest", "parsecs", "^"] {
            assert!(
                output.stdout.contains(part),
                "{part:?} is missing in:\n{}",
                output.stdout
            );
        }
    }
    let request = wire::CheckJourneysRequest {
        files: vec![wire::SourceFile {
            name: "wrong.yaml".to_owned(),
            text: WRONG.to_owned(),
        }],
    };
    let diagnostics = world.client.check_journeys(request).await?.diagnostics;
    assert!(
        diagnostics.len() >= 4,
        "every problem is reported: {diagnostics:#?}"
    );
    assert!(
        diagnostics
            .iter()
            .all(|d| d.line > 0 && d.column > 0 && d.length > 0)
    );
    // A publish of the same is refused as a whole, and nothing is there.
    let refused = publish(&world.client, WRONG).await.unwrap_err().to_string();
    assert!(
        refused.contains("INVALID_ARGUMENT") && refused.contains("parsecs"),
        "{refused}"
    );
    let listed = world.ctl.json(&["journey", "list"])?;
    assert_eq!(listed["journeys"], serde_json::json!([]));
    Ok(())
}

#[tokio::test]
async fn publish_list_show_and_counts() -> anyhow::Result<()> {
    let world = World::start().await?;
    let path = world.file("hello.yaml", HELLO)?;
    let published = world.ctl.json(&["journey", "publish", &path])?;
    assert_eq!(published["documents"][0]["version"], 1);
    let again = world.ctl.run(&["journey", "publish", &path])?;
    assert!(again.stdout.contains("unchanged"), "{again:?}");
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    let listed = world.ctl.json(&["journey", "list"])?;
    assert_eq!(listed["journeys"][0]["id"], "hello");
    assert_eq!(listed["journeys"][0]["entered"], "1");
    let table = world.ctl.run(&["journey", "list"])?;
    assert!(
        table.stdout.contains("JOURNEY") && table.stdout.contains("Say hello"),
        "{table:?}"
    );
    let shown = world.ctl.run(&["journey", "show", "hello"])?;
    assert!(
        shown.stdout.contains("journey: hello") && shown.stdout.contains("greet"),
        "{shown:?}"
    );
    let counts = world.ctl.json(&["journey", "counts", "hello"])?;
    assert_eq!(
        (&counts["entered"], &counts["active"]),
        (&"1".into(), &"1".into())
    );
    assert_eq!(counts["messages"]["hi"], "1");
    assert_eq!(counts["steps"]["rest"]["now"], "1");
    // A changed journey is version 2, and the running instance stays on version 1.
    let changed = HELLO.replace("after: 1d", "after: 2d");
    let response = publish(&world.client, &changed).await?;
    assert_eq!(response.documents[0].version, 2);
    let revision = response.revision;
    let awaited = wire::AwaitRevisionRequest { revision };
    let awaited = world.client.await_revision(awaited).await?;
    assert_eq!(awaited.revision, revision);
    let first = world
        .ctl
        .json(&["journey", "counts", "hello", "--version", "1"])?;
    assert_eq!(first["active"], "1");
    let missing = world.ctl.run(&["journey", "counts", "helo"])?;
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("no journey `helo`"), "{missing:?}");
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn embedded_tests_pass_or_say_what_differs() -> anyhow::Result<()> {
    let world = World::start().await?;
    let tested = |expect: &str| {
        let (journey, content) = HELLO.split_once("---").unwrap();
        format!(
            "{journey}tests:\n  - name: one greeting\n    given: [ {{ at: 0s, event: signed_up }} ]\n    until: 1d\n    expect: {expect}\n---{content}"
        )
    };
    let right = world.file("right.yaml", &tested("{ state: completed, sent: [hi] }"))?;
    let output = world.ctl.run(&["journey", "test", &right])?;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("1 tests, 0 failed"), "{output:?}");
    let wrong = world.file("wrong.yaml", &tested("{ state: active, sent: [] }"))?;
    let output = world.ctl.run(&["journey", "test", &wrong])?;
    assert_eq!(output.code, 1, "{output:?}");
    for part in [
        "one greeting",
        "expected active, found completed",
        "granted on email",
    ] {
        assert!(
            output.stdout.contains(part),
            "{part:?} is missing: {output:?}"
        );
    }
    Ok(())
}
