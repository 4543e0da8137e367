//! Bad input for authoring and ingest is refused and loses nothing around it. The exact messages are in `refusals`.

use journey_client::wire;
use journey_client::wire::event_result::Status;
use pbjson_types::value::Kind;

use crate::world::{World, event, send};

/// A document and what its refusal must say.
const DOCUMENTS: &[(&str, &[&str])] = &[
    ("journey: [a", &["1"]),
    (
        "journey: Bad-Id\nentry: [ { event: a } ]\nsteps:\n  s: { delay: 1d }\n",
        &["Bad-Id"],
    ),
    (
        "journey: j\nentry: [ { event: a, where: !has(event.properties.x) } ]\nsteps:\n  s: { delay: 1d }\n",
        &["tag", "!has"],
    ),
    (
        "journey: j\nentry: [ { event: a } ]\nsteps:\n  s: { delay: 5 parsecs }\n",
        &["parsecs", "4"],
    ),
    (
        "journey: j\nentry: [ { event: a, where: 'event.properties.x >' } ]\nsteps:\n  s: { delay: 1d }\n",
        &["where"],
    ),
    (
        "journey: j\nentry: [ { event: a, where: gold } ]\nsteps:\n  s: { delay: 1d }\n",
        &["gold", "'gold'"],
    ),
    (
        "journey: j\nentry: [ { event: a } ]\nstpes:\n  s: { delay: 1d }\n",
        &["stpes", "steps"],
    ),
    (
        "journey: j\nentry: [ { event: a } ]\nsteps:\n  s: { experiment: { arms: {} } }\n",
        &["not available yet", "experiment"],
    ),
    (
        "journey: j\nentry: [ { event: a } ]\npolicy: { purpose: ads }\nsteps:\n  s: { delay: 1d }\n",
        &["not available yet", "policy"],
    ),
    (
        "journey: j\nentry: [ { event: a } ]\nsteps:\n  s: { delay: 1d }\ntests: [ { name: t, given: [ { at: 0s, event: a } ], expect: { stat: active } } ]\n",
        &["stat", "state"],
    ),
    (
        "journey: j\nentry: [ { event: a } ]\nsteps:\n  s: { message: { content: none, channels: [email] } }\n",
        &["none"],
    ),
    (
        "content: c\nvariants: [ { channel: email, subject: s, body: '{{ custmer.id }}' } ]\n",
        &["custmer", "customer"],
    ),
    (
        "content: c\nvariants: [ { channel: email, tone: calm, subject: s, body: b } ]\n",
        &["not available yet", "tone"],
    ),
];

#[tokio::test]
async fn every_bad_document_is_refused_with_its_reason_and_nothing_is_published()
-> anyhow::Result<()> {
    let world = World::start().await?;
    let long = format!("'{}'", "1 + ".repeat(1_200) + "1 > 0");
    let too_large = format!(
        "journey: j\nentry: [ {{ event: a, where: {long} }} ]\nsteps:\n  s: {{ delay: 1d }}\n"
    );
    let mut cases: Vec<(&str, &[&str])> = DOCUMENTS.to_vec();
    cases.push((&too_large, &["4"]));
    for (document, expected) in cases {
        let path = world.file("bad.yaml", document)?;
        let checked = world.ctl.run(&["journey", "check", &path])?;
        assert_eq!(checked.code, 1, "{document}\n{checked:?}");
        for part in expected {
            assert!(
                checked.stdout.contains(part),
                "{part:?} is missing for\n{document}\nin\n{}",
                checked.stdout
            );
        }
        let published = world.ctl.run(&["journey", "publish", &path])?;
        assert_eq!(published.code, 1, "{document}\n{published:?}");
    }
    assert_eq!(
        world.ctl.json(&["journey", "list"])?["journeys"],
        serde_json::json!([])
    );
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn every_bad_event_is_refused_with_a_code_and_its_neighbours_are_taken() -> anyhow::Result<()>
{
    let world = World::start().await?;
    let text = |text: &str| pbjson_types::Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let at = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
    let large = pbjson_types::Struct {
        fields: [("a".to_owned(), text(&"x".repeat(40_000)))].into(),
    };
    let nested = (0..40).fold(text("deep"), |inner, _| pbjson_types::Value {
        kind: Some(Kind::ListValue(pbjson_types::ListValue {
            values: vec![inner],
        })),
    });
    let deep = pbjson_types::Struct {
        fields: [("a".to_owned(), nested)].into(),
    };
    let long = "x".repeat(300);
    let cases: Vec<(wire::CustomerEvent, &str)> = vec![
        (event("", "1", "seen"), "customer_id_invalid"),
        (
            wire::CustomerEvent {
                anonymous_id: long.clone(),
                ..event("", "1", "seen")
            },
            "anonymous_id_invalid",
        ),
        (
            wire::CustomerEvent {
                anonymous_id: "x".to_owned(),
                ..event("ann", "1", "seen")
            },
            "two_customers",
        ),
        (
            wire::CustomerEvent {
                source: long.clone(),
                ..event("ann", "1", "seen")
            },
            "source_invalid",
        ),
        (
            wire::CustomerEvent {
                channel: long.clone(),
                ..event("ann", "1", "seen")
            },
            "field_too_long",
        ),
        (event(&long, "1", "seen"), "customer_id_invalid"),
        (event("ann", "", "seen"), "event_id_invalid"),
        (event("ann", &long, "seen"), "event_id_invalid"),
        (event("ann", "1", ""), "event_name_invalid"),
        (event("ann", "1", "bad\nname"), "event_name_invalid"),
        (
            wire::CustomerEvent {
                occurred_at: at(-86_400),
                ..event("ann", "1", "seen")
            },
            "occurred_before_1970",
        ),
        (
            wire::CustomerEvent {
                occurred_at: at(253_000_000_000),
                ..event("ann", "1", "seen")
            },
            "occurred_in_future",
        ),
        (
            wire::CustomerEvent {
                properties: Some(large),
                ..event("ann", "1", "seen")
            },
            "properties_too_large",
        ),
        (
            wire::CustomerEvent {
                properties: Some(deep),
                ..event("ann", "1", "seen")
            },
            "properties_too_deep",
        ),
    ];
    for (number, (bad, code)) in cases.into_iter().enumerate() {
        let neighbour = event("ben", &format!("n{number}"), "seen");
        let request = wire::IngestRequest {
            events: vec![bad, neighbour],
            mode: 0,
        };
        let results = world.client.ingest(request).await?.results;
        assert_eq!(
            (results[0].status(), results[0].reason.as_str()),
            (Status::Rejected, code),
            "{results:?}"
        );
        assert!(
            results[0].message.len() > 20 && !results[0].retry,
            "{results:?}"
        );
        assert_eq!(results[1].status(), Status::Accepted, "{results:?}");
    }
    let fine = send(&world.client, event("ann", "1", "seen")).await?;
    assert_eq!(
        fine.status(),
        Status::Accepted,
        "nothing of the bad ones was kept"
    );
    Ok(())
}

/// Large events are cut into requests that the node takes, and one that is too large is named by its line.
#[tokio::test]
async fn large_events_are_sent_in_parts() -> anyhow::Result<()> {
    let world = World::start().await?;
    let line = |id: usize, size: usize| {
        let text = "x".repeat(size);
        format!(
            r#"{{"customer_id":"c{id}","id":"{id}","name":"seen","occurred_at":"2026-01-05T09:00:00Z","properties":{{"a":"{text}"}}}}"#
        )
    };
    let mut lines: Vec<String> = (0..300).map(|id| line(id, 30_000)).collect();
    lines.push(line(300, 40_000));
    let path = world.file("large.jsonl", &lines.join("\n"))?;
    let output = world.ctl.run(&["ingest", &path, "-o", "json"])?;
    assert_eq!(output.code, 1, "{output:?}");
    let report: serde_json::Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(report["accepted"], 300, "{output:?}");
    assert!(
        output
            .stderr
            .contains("large.jsonl:301: properties_too_large: properties take 40"),
        "{output:?}"
    );
    Ok(())
}
