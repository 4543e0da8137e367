//! Events in: batches, streams, files.

use std::io::Write as _;

use journey_client::wire;
use journey_client::wire::event_result::Status;

use crate::world::{World, event, programs};

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

/// One event in each form; the last two say that two ids are one customer.
const FORMS: [&str; 5] = [
    r#"{"anonymous_id":"x","id":"1","name":"seen","occurred_at":"2026-01-05T09:00:00Z"}"#,
    r#"{"specversion":"1.0","id":"2","source":"/web","type":"seen","time":"2026-01-05T09:00:00Z","subject":"ann"}"#,
    r#"{"type":"page","messageId":"3","userId":"ann","timestamp":"2026-01-05T09:00:00Z","name":"Home"}"#,
    r#"{"type":"identify","messageId":"4","userId":"ann","anonymousId":"x","timestamp":"2026-01-05T09:00:00Z","traits":{"city":"Bonn","gone":null}}"#,
    r#"{"type":"alias","messageId":"5","userId":"ann","previousId":"old","timestamp":"2026-01-05T09:00:00Z"}"#,
];
const DELIVERED_MAP: &str = r#"
map: shop
format: { delimiter: ",", header: true }
customer_id: { column: customer }
occurred_at: { column: day, format: "%Y-%m-%d" }
name: delivered
id: "d-{line}"
"#;

fn gzip(text: &str) -> anyhow::Result<Vec<u8>> {
    let level = flate2::Compression::default();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), level);
    packed.write_all(text.as_bytes())?;
    Ok(packed.finish()?)
}

#[tokio::test]
async fn every_form_comes_in_packed_and_through_standard_input() -> anyhow::Result<()> {
    let world = World::start().await?;
    let map = world.file("map.yaml", DELIVERED_MAP)?;
    let packed = world.folder.path().join("forms.jsonl.gz");
    std::fs::write(&packed, gzip(&FORMS.join("\n"))?)?;
    let packed = packed.display().to_string();
    let piped = world.file("piped", "customer,day\nben,2026-01-05\nnobody,\n")?;
    let output = programs()
        .command("journeyctl")
        .args(["--address", world.node.address(), "--workspace", "shop"])
        .args(["ingest", &packed, "-", "--map", &map, "-o", "json"])
        .stdin(std::fs::File::open(piped)?)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("standard input:3: bad_time: "), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["accepted"], 6, "{report}");
    assert_eq!(report["accepted_not_merged_yet"], 2, "{report}");
    assert_eq!(report["rejected_by_reason"]["bad_time"], 1, "{report}");

    let show = |id: &'static str| {
        world
            .ctl
            .json(&["--workspace", "shop", "customer", "show", id])
    };
    let ann = show("ann")?;
    let traits = &ann["customer"]["traits"];
    assert_eq!(traits["city"], "Bonn", "{ann}");
    let others = serde_json::json!(["anonymous:x", "old"]);
    assert_eq!(traits["also_known_as"], others, "{ann}");
    assert!(traits.get("anonymous_id").is_none(), "{ann}");
    for id in ["anonymous:x", "ben"] {
        show(id)?;
    }
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn two_ids_of_one_customer_are_accepted_and_not_merged_yet() -> anyhow::Result<()> {
    let world = World::start().await?;
    let both = |id: &str, name: &str| wire::CustomerEvent {
        anonymous_id: "x".to_owned(),
        ..event("ann", id, name)
    };
    let events = vec![
        both("1", "identify"),
        both("1", "identify"),
        both("2", "seen"),
        wire::CustomerEvent {
            anonymous_id: "x".to_owned(),
            ..event("", "3", "seen")
        },
    ];
    let request = wire::IngestRequest { events, mode: 0 };
    let results = world.client.ingest(request).await?.results;
    let said: Vec<_> = results
        .iter()
        .map(|result| (result.status(), result.reason.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Status::Accepted, "not_merged_yet"),
            (Status::Duplicate, ""),
            (Status::Rejected, "two_customers"),
            (Status::Accepted, ""),
        ],
        "{results:?}"
    );
    assert_eq!(results[0].message, "accepted, not merged yet");
    Ok(())
}
