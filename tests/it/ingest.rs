//! Events in: batches, streams, files.

use journey_client::wire;
use journey_client::wire::event_result::Status;

use crate::world::{World, event};

#[tokio::test]
async fn a_batch_is_answered_event_by_event() -> anyhow::Result<()> {
    let world = World::start().await?;
    let events = vec![
        event("ann", "1", "seen"),
        event("ann", "1", "seen"),
        event("", "2", "seen"),
        event("ben", "1", "seen"),
    ];
    let request = wire::IngestRequest { events, mode: 0 };
    let results = world.client.ingest(request).await?.results;
    let statuses: Vec<Status> = results.iter().map(wire::EventResult::status).collect();
    assert_eq!(
        statuses,
        [
            Status::Accepted,
            Status::Duplicate,
            Status::Rejected,
            Status::Accepted
        ],
        "{results:?}"
    );
    assert_eq!(results[2].reason, "customer_id_invalid");
    assert!(results[0].index > 0);
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn batches_of_a_stream_are_answered_in_order() -> anyhow::Result<()> {
    let world = World::start().await?;
    let mut session = world.client.ingest_stream().await?;
    for batch in 0..20 {
        let events = (0..10)
            .map(|n| event(&format!("c{n}"), &format!("{batch}-{n}"), "seen"))
            .collect();
        session.send(events, wire::IngestMode::Live).await?;
    }
    for batch in 1..=20 {
        let ack = session.next_ack().await?;
        assert_eq!(ack.batch, batch);
        assert!(
            ack.results
                .iter()
                .all(|result| result.status() == Status::Accepted),
            "{ack:?}"
        );
    }
    assert_eq!(session.n_in_flight(), 0);
    Ok(())
}

#[tokio::test]
async fn files_are_read_counted_and_reported() -> anyhow::Result<()> {
    let world = World::start().await?;
    let lines = [
        r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
        r#"{"customer_id":"ann","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
        r#"{"customer_id":"ben","id":"2","name":"seen","occured_at":"2026-01-05T09:00:00Z"}"#,
        "not json",
        r#"{"customer_id":"cy","id":"3","name":"seen","occurred_at":"2026-01-05T09:00:00Z","properties":{"n":2.0}}"#,
    ];
    let path = world.file("events.jsonl", &lines.join("\n"))?;
    let output = world.ctl.run(&["ingest", &path, "-o", "json"])?;
    assert_eq!(output.code, 1, "bad lines are a failure: {output:?}");
    let report: serde_json::Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(report["read"], 5);
    assert_eq!(report["accepted"], 2);
    assert_eq!(report["duplicate"], 1);
    assert_eq!(report["rejected"], 2);
    for part in ["events.jsonl:3", "events.jsonl:4", "occurred_at"] {
        assert!(
            output.stderr.contains(part),
            "{part:?} is missing in:\n{}",
            output.stderr
        );
    }
    let good = world.file("good.jsonl", &lines[4].replace("\"3\"", "\"4\""))?;
    let output = world.ctl.run(&["ingest", &good, "--history"])?;
    assert!(
        output.code == 0 && output.stdout.contains("1 accepted"),
        "{output:?}"
    );
    Ok(())
}
