//! Bad input for authoring and ingest gets a clear error and loses nothing: each case with the message it produces.

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

/// What is typed, and what standard error must say; the exit code is 2 for wrong usage, else 1.
const MISUSES: &[(&[&str], i32, &[&str])] = &[
    (&[], 2, &["Usage: journeyctl", "ingest"]),
    (
        &["ingets"],
        2,
        &[
            "unrecognized subcommand 'ingets'",
            "similar subcommand",
            "'ingest'",
        ],
    ),
    (
        &["journey", "check"],
        2,
        &["required arguments were not provided", "<PATHS>"],
    ),
    (
        &["ingest", "--batch", "0", "x"],
        2,
        &["invalid value '0' for '--batch", "1..=1000"],
    ),
    (&["ingest", "--batch", "2000", "x"], 2, &["1..=1000"]),
    (
        &["worker", "--credit", "0"],
        2,
        &["invalid value '0'", "1..=10000"],
    ),
    (
        &["-o", "xml", "journey", "list"],
        2,
        &["invalid value 'xml'", "table, json"],
    ),
    (
        &["journey", "check", "/none.yaml"],
        1,
        &["/none.yaml does not exist"],
    ),
    (
        &["ingest", "/none.jsonl"],
        1,
        &["opening /none.jsonl: No such file"],
    ),
    (
        &["ingest", "/"],
        1,
        &["/ is a folder; name the files in it"],
    ),
    (
        &["ingest", "-", "-"],
        1,
        &["standard input (`-`) is named 2 times"],
    ),
    (
        &["ingest", "/dev/null", "--map", "/none.yaml"],
        1,
        &["reading the map /none.yaml: No such file"],
    ),
    (
        &["ingest", "/dev/null"],
        1,
        &[
            "no journeyd answers at http://127.0.0.1:1",
            "journeyd demo",
            "--address",
        ],
    ),
    (
        &["--workspace", "", "ingest", "/dev/null"],
        1,
        &["--workspace: workspace id is empty"],
    ),
    (
        &[
            "simulate",
            "--journeys",
            "/dev/null",
            "--events",
            "/dev/null",
            "--until",
            "tomorrow",
        ],
        1,
        &["--until: `tomorrow` is no RFC 3339 instant such as 2026-01-05T09:00:00Z"],
    ),
    (
        &["journey", "list"],
        1,
        &["no journeyd answers at http://127.0.0.1:1"],
    ),
];

#[test]
fn every_misuse_of_the_command_line_says_what_to_do() -> anyhow::Result<()> {
    let ctl = tests::Ctl::new(&crate::world::programs(), "http://127.0.0.1:1");
    for (arguments, code, expected) in MISUSES {
        let output = ctl.run(arguments)?;
        assert_eq!(output.code, *code, "{arguments:?}: {output:?}");
        for part in *expected {
            assert!(
                output.stderr.contains(part),
                "{part:?} is missing for {arguments:?} in\n{}",
                output.stderr
            );
        }
    }
    for address in [
        "a b",
        "localhost",
        "http://127.0.0.1:99999",
        "https://127.0.0.1:7701",
        "ftp://x:1",
    ] {
        let no_address = tests::Ctl::new(&crate::world::programs(), address);
        let said = no_address.run(&["journey", "list"])?.stderr;
        let expected = format!(
            "`{address}` is no address of a node; write it as http://127.0.0.1:7701, with its port"
        );
        assert!(said.contains(&expected), "{said}");
    }
    let nowhere = tests::Ctl::new(
        &crate::world::programs(),
        "http://no-such-host.invalid:7701",
    );
    let said = nowhere.run(&["journey", "list"])?.stderr;
    let expected = "no journeyd answers at http://no-such-host.invalid:7701";
    assert!(said.contains(expected), "{said}");
    Ok(())
}

#[tokio::test]
async fn every_misuse_of_ingest_is_refused_whole_and_says_why() -> anyhow::Result<()> {
    let world = World::start().await?;
    let many = |n: usize| {
        (0..n)
            .map(|n| event("ann", &n.to_string(), "seen"))
            .collect()
    };
    let text = pbjson_types::Value {
        kind: Some(Kind::StringValue("x".repeat(5 * 1024 * 1024))),
    };
    let oversized = wire::CustomerEvent {
        properties: Some(pbjson_types::Struct {
            fields: [("a".to_owned(), text)].into(),
        }),
        ..event("ann", "1", "seen")
    };
    let cases: Vec<(Vec<wire::CustomerEvent>, i32, &[&str])> = vec![
        (
            Vec::new(),
            0,
            &[
                "events: holds 0 events, 1 to 1000 are allowed",
                "INVALID_ARGUMENT",
            ],
        ),
        (
            many(1_001),
            0,
            &["events: holds 1001 events, 1 to 1000 are allowed"],
        ),
        (
            many(1),
            7,
            &["mode: 7 is no ingest mode; there are LIVE (1) and HISTORY (2)"],
        ),
        (vec![oversized], 0, &["too large", "4194304"]),
    ];
    for (events, mode, expected) in cases {
        let request = wire::IngestRequest { events, mode };
        let refused = world.client.ingest(request).await.unwrap_err().to_string();
        for part in expected {
            assert!(refused.contains(part), "{part:?} is missing in {refused}");
        }
    }
    let request = wire::GetCustomerRequest {
        customer_id: "ann".to_owned(),
        ..Default::default()
    };
    let unknown = world.client.get_customer(request).await.unwrap_err();
    assert!(
        unknown.to_string().contains("there is no customer `ann`"),
        "{unknown}"
    );
    world.expect_no_warnings();
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

type Refused = (Option<journey_client::ClientError>, &'static [&'static str]);

/// The same of what is set aside.
async fn set_aside_misuses(client: &journey_client::Client) -> Vec<Refused> {
    let of = |filter: wire::SetAsideFilter| Some(filter);
    let page = wire::ListSetAsideRequest {
        page_size: 5_000,
        ..Default::default()
    };
    let token = wire::ListSetAsideRequest {
        page_token: "garbage".to_owned(),
        ..Default::default()
    };
    let customer = wire::ListSetAsideRequest {
        filter: of(wire::SetAsideFilter {
            customer_id: "x".repeat(300),
            ..Default::default()
        }),
        ..Default::default()
    };
    let letters_only = wire::ListSetAsideRequest {
        filter: of(wire::SetAsideFilter {
            journey: "hello".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let letter = wire::GetDeadLetterRequest {
        effect_id: "garbage".to_owned(),
    };
    let command = wire::GetQuarantinedRequest {
        id: "garbage".to_owned(),
    };
    let both = wire::SetAsideRequest {
        ids: vec!["garbage".to_owned()],
        filter: of(wire::SetAsideFilter::default()),
        dry_run: true,
    };
    let many = wire::SetAsideRequest {
        ids: vec!["garbage".to_owned(); 1_001],
        ..Default::default()
    };
    vec![
        (
            client.list_dead_letters(page).await.err(),
            &["page_size: is 5000, at most 1000 is allowed"],
        ),
        (
            client.list_quarantined(token).await.err(),
            &["page_token: is not a token of this list"],
        ),
        (
            client.list_dead_letters(customer).await.err(),
            &["filter.customer_id: customer id has 300 bytes"],
        ),
        (
            client.list_quarantined(letters_only).await.err(),
            &["filter.journey: is for dead letters"],
        ),
        (client.get_dead_letter(letter).await.err(), &["effect_id: "]),
        (client.get_quarantined(command).await.err(), &["id: "]),
        (
            client
                .replay_quarantined(wire::SetAsideRequest::default())
                .await
                .err(),
            &["filter: give either ids or a filter"],
        ),
        (
            client.discard_dead_letters(both).await.err(),
            &["filter: give either ids or a filter"],
        ),
        (
            client.replay_quarantined(many).await.err(),
            &["ids: holds 1001, at most 1000 are allowed"],
        ),
    ]
}

/// Calls whose fields do not fit, each refused with the field, what is wrong and what would be right.
#[tokio::test]
async fn every_misuse_of_a_call_names_its_field() -> anyhow::Result<()> {
    let world = World::start().await?;
    let client = &world.client;
    let no_files = wire::PublishJourneysRequest { files: Vec::new() };
    let bad_id = wire::GetJourneyRequest {
        id: "Bad Id".to_owned(),
        version: 0,
    };
    let bad_page = wire::ListCustomersRequest {
        page_token: "garbage".to_owned(),
        ..Default::default()
    };
    let bad_customer = wire::GetCustomerRequest {
        customer_id: "x".repeat(300),
        ..Default::default()
    };
    let credit = wire::Subscribe {
        credit: 1_000_000,
        ..Default::default()
    };
    let refusals: Vec<(Option<journey_client::ClientError>, &[&str])> = vec![
        (client.publish_journeys(no_files).await.err(), &["files: "]),
        (
            client.get_journey(bad_id).await.err(),
            &["id: journey id \"Bad Id\" is not of the form"],
        ),
        (
            client.list_customers(bad_page).await.err(),
            &["page_token: is not a token of this list; leave it empty for the first page"],
        ),
        (
            client.get_customer(bad_customer).await.err(),
            &["customer_id: customer id has 300 bytes, at most 256 are allowed"],
        ),
        (client.work(credit).await.err(), &["credit: ", "10000"]),
    ];
    let refusals = refusals.into_iter().chain(set_aside_misuses(client).await);
    for (refusal, expected) in refusals {
        let refusal = refusal.map(|error| error.to_string()).unwrap_or_default();
        for part in expected.iter().chain(&["[INVALID_ARGUMENT]"]) {
            assert!(refusal.contains(part), "{part:?} is missing in {refusal}");
        }
        assert!(!refusal.contains('\n'), "said twice: {refusal}");
    }
    world.expect_no_warnings();
    Ok(())
}
