//! What a webhook's far end can do wrong, and what is told of it: among the dead letters of a call that may be tried again,
//! in the timeline of one that failed for good.

use journey_client::wire;
use tests::{ReceiverProcess, Refusals, wait_until};

use crate::world::{World, accept, event, programs, publish, write_file};

/// What the far end answers, and how the table calls it.
const ANSWERS: &[(&str, &str)] = &[
    ("400", "HTTP 400"),
    ("401", "HTTP 401"),
    ("404", "HTTP 404"),
    ("410 {\"error\": \"gone for good\"}", "HTTP 410 with a body"),
    (
        "302 Location: https://elsewhere.example/",
        "HTTP 302 to elsewhere",
    ),
    ("429 Retry-After: 7", "HTTP 429 with Retry-After: 7"),
    ("500", "HTTP 500"),
    ("503 {\"error\": \"at lunch\"}", "HTTP 503 with a body"),
    ("200 {\"tier\": ", "HTTP 200 with half an object"),
    ("hold", "no answer in time"),
];

/// Connectors whose far end cannot be reached, and how the table calls them.
const UNREACHABLE: &[(&str, &str)] = &[
    ("nobody", "nobody listens there"),
    ("plain", "the far end of https:// speaks no TLS"),
];

fn connector(name: &str, url: &str, secret: &str, more: &str) -> String {
    format!(
        "[connectors.{name}]\nkind = \"webhook\"\nurl = \"{url}\"\nsecret-file = \"{secret}\"\ntimeout = \"3s\"\n{more}\n\
         retry = {{ attempts-max = 1, pause-first = \"10ms\", pause-max = \"10ms\" }}\n\
         breaker = {{ failures = 10000 }}\n"
    )
}

fn journey(connector: &str) -> String {
    format!(
        "journey: to_{connector}\nentry: [ {{ event: for_{connector} }} ]\nsteps:\n  ask: {{ call: {{ webhook: {connector} }}, on_error: end, next: end }}\n"
    )
}

/// Why the call of a customer failed.
async fn failure(world: &World, customer: &str) -> anyhow::Result<String> {
    let look = || async {
        let filter = wire::SetAsideFilter {
            customer_id: customer.to_owned(),
            ..Default::default()
        };
        let letters = world
            .client
            .list_dead_letters(wire::ListSetAsideRequest {
                filter: Some(filter),
                ..Default::default()
            })
            .await
            .ok()?;
        if let Some(letter) = letters.dead_letters.first() {
            return Some(format!("{}\n[dead letter after 1 attempt]", letter.reason));
        }
        let timeline = wire::GetTimelineRequest {
            customer_id: customer.to_owned(),
            ..Default::default()
        };
        let timeline = world.client.get_timeline(timeline).await.ok()?;
        let failed = timeline
            .entries
            .iter()
            .find_map(|entry| Some(entry.text.split_once("failed for good: ")?.1.to_owned()))?;
        Some(format!("{failed}\n[the call failed for good]"))
    };
    wait_until(&format!("the call of {customer} to fail"), look).await
}

#[tokio::test]
async fn every_fault_of_a_webhook_has_its_answer_in_the_table() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let receiver = ReceiverProcess::start(&programs(), &folder.path().join("receiver"), "200")?;
    let (_, port) = receiver.address().rsplit_once(':').unwrap_or_default();
    let secret = write_file(folder.path(), "secret", "whsec_0123456789abcdef")?;
    let allowed = "allow-private = true";
    let config = [
        connector("crm", receiver.address(), &secret, allowed),
        connector("nobody", "http://127.0.0.1:1/", &secret, allowed),
        connector(
            "plain",
            &format!("https://127.0.0.1:{port}/"),
            &secret,
            allowed,
        ),
    ];
    let config = write_file(folder.path(), "node.toml", &config.concat())?;
    let world = World::start_in(folder, &["--config", &config]).await?;
    let names = ["crm", "nobody", "plain"];
    publish(&world.client, &names.map(journey).join("---\n")).await?;
    let mut table = Refusals::new(
        "webhooks",
        "Faults of webhooks",
        "What is told of a call whose webhook fails: what may pass is tried again within the retry budget (here one attempt) and then \
         becomes a dead letter with the last reason (`journeyctl deadletter read`); what will not pass fails the step at once, or tries \
         the next channel, with the reason in the timeline. Mistakes in the connector itself refuse the start, see \
         [configuration](configuration.md).",
    );
    table.replace(&format!(":{port}"), ":PORT");
    table.section("The far end answers");
    for (number, (answer, what)) in ANSWERS.iter().enumerate() {
        receiver.answer(answer)?;
        let customer = format!("answered{number}");
        accept(&world.client, event(&customer, "1", "for_crm")).await?;
        table.row(what, &failure(&world, &customer).await?)?;
    }
    table.section("The far end cannot be reached");
    for (name, what) in UNREACHABLE {
        accept(&world.client, event(name, "1", &format!("for_{name}"))).await?;
        table.row(what, &failure(&world, name).await?)?;
    }
    table.hold()
}
