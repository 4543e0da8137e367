//! Calls of the API whose fields do not fit, as `grpcurl` would send them.

use journey_client::{Client, ClientError, wire};
use journey_types::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tests::Refusals;

use crate::world::{World, accept, event, publish};

const JOURNEYS: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps: { rest: { delay: 1d } }
---
journey: gold
entry: [ { api: enroll, where: input.tier == 'gold' } ]
reentry: { again: never }
steps: { rest: { delay: 1d } }
---
journey: keyed
entry: [ { api: enroll } ]
key: input.case
steps: { rest: { delay: 1d } }
---
schema: shop
events: { paid: { value: double } }
";

/// `LONG` is a text of 300 bytes, `LARGE` one of 40,000, `DEEP` a list in 40 lists, `MANY` are 1,001 of what follows.
const CALLS: &[(&str, &[&str])] = &[
    (
        "Ingest",
        &[
            "{}",
            r#"{"events":[MANY{"customerId":"ann","id":"1","name":"seen"}]}"#,
            r#"{"events":[{"id":"1","name":"seen"}]}"#,
            r#"{"events":[{"customerId":"LONG","id":"1","name":"seen"}]}"#,
            r#"{"events":[{"customerId":"a\nb","id":"1","name":"seen"}]}"#,
            r#"{"events":[{"anonymousId":"LONG","id":"1","name":"seen"}]}"#,
            r#"{"events":[{"customerId":"ann","anonymousId":"x","id":"1","name":"seen"}]}"#,
            r#"{"events":[{"workspace":"a\nb","customerId":"ann","id":"1","name":"seen"}]}"#,
            r#"{"events":[{"customerId":"ann","name":"seen"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"LONG","name":"seen"}]}"#,
            r#"{"events":[{"customerId":"ann","source":"LONG","id":"1","name":"seen"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"bad\nname"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"seen","channel":"LONG"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"seen","device":"LONG"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"seen","occurredAt":"1969-12-31T00:00:00Z"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"seen","occurredAt":"2999-01-01T00:00:00Z"}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"seen","properties":{"a":"LARGE"}}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"seen","properties":{"a":DEEP}}]}"#,
            r#"{"events":[{"customerId":"ann","id":"1","name":"paid","properties":{"value":"much"}}]}"#,
        ],
    ),
    (
        "CheckJourneys",
        &["{}", r#"{"files":[MANY{"name":"a.yaml","text":""}]}"#],
    ),
    (
        "PublishJourneys",
        &[
            "{}",
            r#"{"files":[{"name":"a.yaml","text":""}]}"#,
            r#"{"files":[{"name":"a.yaml","text":"journey: a\nentry: [ { event: e } ]\nsteps: { s: { delay: 5 parsecs } }\n"}]}"#,
        ],
    ),
    ("AwaitRevision", &[r#"{"revision":"1000000"}"#]),
    (
        "ListJourneys",
        &[r#"{"pageSize":5000}"#, r#"{"pageToken":"garbage"}"#],
    ),
    (
        "GetJourney",
        &[
            "{}",
            r#"{"id":"Bad Id"}"#,
            r#"{"id":"none"}"#,
            r#"{"id":"hello","version":9}"#,
        ],
    ),
    (
        "GetJourneyCounts",
        &[
            r#"{"id":"Bad Id"}"#,
            r#"{"id":"none"}"#,
            r#"{"id":"hello","version":9}"#,
        ],
    ),
    (
        "Enroll",
        &[
            "{}",
            r#"{"journey":"Bad Id","customers":[{"customerId":"ann","id":"1"}]}"#,
            r#"{"journey":"none","customers":[{"customerId":"ann","id":"1"}]}"#,
            r#"{"journey":"hello","customers":[{"customerId":"ann","id":"1"}]}"#,
            r#"{"journey":"gold"}"#,
            r#"{"journey":"gold","customers":[MANY{"customerId":"ann","id":"1"}]}"#,
            r#"{"journey":"gold","customers":[{"id":"1"}]}"#,
            r#"{"journey":"gold","customers":[{"customerId":"ann"}]}"#,
            r#"{"journey":"gold","customers":[{"customerId":"ann","id":"LONG"}]}"#,
            r#"{"workspace":"a\nb","journey":"gold","customers":[{"customerId":"ann","id":"1"}]}"#,
            r#"{"journey":"gold","customers":[{"customerId":"ann","id":"2","input":{"tier":"tin"}}]}"#,
            r#"{"journey":"gold","customers":[{"customerId":"ann","id":"3","input":{"tier":"LARGE"}}]}"#,
            r#"{"journey":"gold","customers":[{"customerId":"ann","id":"4","input":{"tier":DEEP}}]}"#,
            r#"{"journey":"keyed","customers":[{"customerId":"ann","id":"5","input":{"case":[1]}}]}"#,
        ],
    ),
    (
        "GetCustomer",
        &[
            "{}",
            r#"{"customerId":"LONG"}"#,
            r#"{"workspace":"a\nb","customerId":"ann"}"#,
            r#"{"customerId":"nobody"}"#,
            r#"{"customerId":"ann","read":{"minIndex":"1000000"}}"#,
        ],
    ),
    (
        "ListCustomers",
        &[
            r#"{"pageSize":5000}"#,
            r#"{"pageToken":"garbage"}"#,
            r#"{"workspace":"a\nb"}"#,
        ],
    ),
    ("ListInstances", &["{}", r#"{"customerId":"nobody"}"#]),
    ("GetTimeline", &["{}", r#"{"customerId":"nobody"}"#]),
    (
        "Subscribe",
        &[
            r#"{"workspace":"a\nb"}"#,
            r#"{"channels":["E Mail"]}"#,
            r#"{"queues":["Care!"]}"#,
            r#"{"credit":1000000}"#,
        ],
    ),
    (
        "Settle",
        &[
            r#"{"outcomes":[MANY{"effectId":"garbage"}]}"#,
            r#"{"outcomes":[{"attempt":1,"result":"RESULT_SENT"}]}"#,
            r#"{"outcomes":[{"effectId":"garbage","attempt":1,"result":"RESULT_SENT"}]}"#,
        ],
    ),
    ("Confirm", &["{}", r#"{"effectId":"garbage","attempt":1}"#]),
    (
        "ListDeadLetters",
        &[
            r#"{"pageSize":5000}"#,
            r#"{"pageToken":"garbage"}"#,
            r#"{"filter":{"workspace":"a\nb"}}"#,
            r#"{"filter":{"customerId":"LONG"}}"#,
            r#"{"filter":{"journey":"Bad Id"}}"#,
            r#"{"filter":{"destination":"E Mail"}}"#,
        ],
    ),
    ("GetDeadLetter", &["{}", r#"{"effectId":"garbage"}"#]),
    (
        "ReplayDeadLetters",
        &[
            "{}",
            r#"{"ids":["garbage"],"filter":{}}"#,
            r#"{"ids":[MANY"garbage"]}"#,
            r#"{"ids":["garbage"]}"#,
        ],
    ),
    ("DiscardDeadLetters", &["{}", r#"{"ids":["garbage"]}"#]),
    (
        "ListQuarantined",
        &[
            r#"{"pageSize":5000}"#,
            r#"{"pageToken":"garbage"}"#,
            r#"{"filter":{"journey":"hello"}}"#,
            r#"{"filter":{"destination":"email"}}"#,
        ],
    ),
    ("GetQuarantined", &["{}", r#"{"id":"garbage"}"#]),
    ("ReplayQuarantined", &["{}", r#"{"ids":["garbage"]}"#]),
    ("DiscardQuarantined", &["{}", r#"{"ids":["garbage"]}"#]),
    (
        "ReleaseCustomer",
        &[
            "{}",
            r#"{"workspace":"a\nb","customerId":"ann"}"#,
            r#"{"customerId":"nobody"}"#,
        ],
    ),
    ("DescribePartition", &[r#"{"partition":99}"#]),
    (
        "TransferLeader",
        &[
            r#"{"partition":99,"toNode":"1"}"#,
            r#"{"partition":0}"#,
            r#"{"partition":0,"toNode":"99"}"#,
        ],
    ),
    ("DrainNode", &["{}", r#"{"node":"99"}"#]),
    ("UndrainNode", &["{}", r#"{"node":"99"}"#]),
    ("RemoveNode", &[r#"{"node":"99"}"#, r#"{"node":"1"}"#]),
];

/// The table's shorthands and what they stand for.
fn shorthands() -> [(&'static str, String); 3] {
    [
        ("LONG", "x".repeat(300)),
        ("LARGE", "y".repeat(40_000)),
        ("DEEP", format!("{}1{}", "[".repeat(40), "]".repeat(40))),
    ]
}

/// `MANY` before a value makes 1,001 of it.
fn spelled_out(text: &str) -> String {
    let mut spelled = shorthands()
        .iter()
        .fold(text.to_owned(), |text, (short, long)| {
            text.replace(short, long)
        });
    if let Some((head, tail)) = spelled.split_once("MANY") {
        let (one, end) = tail.split_at(tail.len() - 2);
        spelled = format!("{head}{}{end}", vec![one; 1_001].join(","));
    }
    spelled
}

fn asked<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    Ok(serde_json::from_str(text)?)
}

/// What a call said: its refusal, or the answer with what it says of each part.
fn said<T: Serialize>(answer: Result<T, ClientError>) -> anyhow::Result<String> {
    match answer {
        Ok(answer) => Ok(serde_json::to_string(&answer)?),
        Err(error) => Ok(error.to_string()),
    }
}

async fn call(client: &Client, rpc: &str, text: &str) -> anyhow::Result<String> {
    match rpc {
        "Ingest" => said(client.ingest(asked(text)?).await),
        "CheckJourneys" => said(client.check_journeys(asked(text)?).await),
        "PublishJourneys" => said(client.publish_journeys(asked(text)?).await),
        "AwaitRevision" => said(client.await_revision(asked(text)?).await),
        "ListJourneys" => said(client.list_journeys(asked(text)?).await),
        "GetJourney" => said(client.get_journey(asked(text)?).await),
        "GetJourneyCounts" => said(client.get_journey_counts(asked(text)?).await),
        "Enroll" => said(client.enroll(asked(text)?).await),
        "GetCustomer" => said(client.get_customer(asked(text)?).await),
        "ListCustomers" => said(client.list_customers(asked(text)?).await),
        "ListInstances" => said(client.list_instances(asked(text)?).await),
        "GetTimeline" => said(client.get_timeline(asked(text)?).await),
        "Subscribe" => said(client.work(asked(text)?).await.map(|_| ())),
        "Settle" => said(client.settle(asked(text)?).await),
        "Confirm" => said(client.confirm(asked(text)?).await),
        "ListDeadLetters" => said(client.list_dead_letters(asked(text)?).await),
        "GetDeadLetter" => said(client.get_dead_letter(asked(text)?).await),
        "ReplayDeadLetters" => said(client.replay_dead_letters(asked(text)?).await),
        "DiscardDeadLetters" => said(client.discard_dead_letters(asked(text)?).await),
        "ListQuarantined" => said(client.list_quarantined(asked(text)?).await),
        "GetQuarantined" => said(client.get_quarantined(asked(text)?).await),
        "ReplayQuarantined" => said(client.replay_quarantined(asked(text)?).await),
        "DiscardQuarantined" => said(client.discard_quarantined(asked(text)?).await),
        "ReleaseCustomer" => said(client.release_customer(asked(text)?).await),
        "DescribePartition" => said(client.describe_partition(asked(text)?).await),
        "TransferLeader" => said(client.transfer_leader(asked(text)?).await),
        "DrainNode" => said(client.drain_node(asked(text)?).await),
        "UndrainNode" => said(client.undrain_node(asked(text)?).await),
        "RemoveNode" => said(client.remove_node(asked(text)?).await),
        other => anyhow::bail!("there is no call {other}"),
    }
}

/// Where in which journal an answer lies is of no interest.
fn placeless(answer: &str) -> String {
    let mut shown = answer.to_owned();
    for field in ["\"partition\":", "\"index\":"] {
        while let Some(at) = shown.find(&format!(",{field}")) {
            let rest = &shown[at + 1..];
            let end = rest
                .find([',', '}'])
                .map_or(shown.len(), |end| at + 1 + end);
            shown.replace_range(at..end, "");
        }
    }
    shown
}

/// Instants of this run are other ones each time.
fn timeless(text: &str) -> String {
    let now = Timestamp::from_unix_ms(0);
    let is_instant = |word: &str| Timestamp::parse(word).is_some_and(|at| at > now);
    let shown = |word: &str| {
        let bare = word.trim_end_matches([';', ',', '.']);
        if is_instant(bare) && !bare.starts_with("2999") {
            word.replace(bare, "NOW")
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_call_that_does_not_fit_has_its_answer_in_the_table() -> anyhow::Result<()> {
    let world = World::start().await?;
    publish(&world.client, JOURNEYS).await?;
    accept(&world.client, event("ann", "first", "seen")).await?;
    let mut table = Refusals::new(
        "calls",
        "Calls of the API",
        "What a node answers to requests that do not fit, as the client shows it: the words, the reason in brackets, and advice on when \
         to try again. Where events, customers and outcomes are answered one by one, the answer stands as JSON, and what does not fit \
         leaves its neighbours alone. `LONG` is a text of 300 bytes, `LARGE` one of 40,000, `DEEP` are 40 lists in one another, `MANY` \
         makes 1,001 of what follows. Published are `hello` (entered by an event), `gold` and `keyed` (entered by `enroll`), and a schema \
         of `paid`. The node stands alone.",
    );
    for (short, long) in shorthands() {
        table.replace(&long, short);
    }
    for (rpc, requests) in CALLS {
        table.section(rpc);
        for request in *requests {
            let answer = call(&world.client, rpc, &spelled_out(request)).await?;
            let answer = match answer.as_str() {
                "{}" => "{} (nothing to do)",
                other => other,
            };
            table.row(request, &timeless(&placeless(answer)))?;
        }
    }
    table.section("What JSON cannot say");
    let no_mode = wire::IngestRequest {
        events: vec![event("ann", "1", "seen")],
        mode: 7,
    };
    table.row(
        "Ingest, mode: 7",
        &said(world.client.ingest(no_mode).await)?,
    )?;
    let oversized = wire::IngestRequest {
        events: vec![event(&"x".repeat(5 * 1024 * 1024), "1", "seen")],
        mode: 0,
    };
    let answer = said(world.client.ingest(oversized).await)?;
    table.row("Ingest, an event of 5 MiB", &answer)?;
    let mut worker = world.client.work(wire::Subscribe::default()).await?;
    let outcome = wire::Outcome {
        reason: "x".repeat(5 * 1024 * 1024),
        ..Default::default()
    };
    worker.settle(vec![outcome]).await?;
    let answer = said(worker.next().await.map(|message| format!("{message:?}")))?;
    table.row("Work, an outcome of 5 MiB", &answer)?;
    let fine = crate::world::send(&world.client, event("ann", "1", "seen")).await?;
    assert_eq!(
        fine.status(),
        wire::event_result::Status::Accepted,
        "nothing of what was refused was kept"
    );
    world.expect_no_warnings();
    table.hold()
}
