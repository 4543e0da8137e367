//! Scenario `advance`: every customer has one running instance, and each event moves it by one step.
//!
//! Proven at the end: as many steps were left as events were acknowledged, and every customer entered once.

use std::time::Duration;

use anyhow::Context as _;
use journey_client::{Client, wire};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::arguments::RunArguments;
use crate::closed_loop::{Tally, Window, drive};
use crate::node::NodeUnderTest;
use crate::report::{Latency, Report};

/// Two waits that lead to one another: an instance never ends and every event moves it.
const JOURNEY: &str = "\
journey: advance
entry: [ { event: started } ]
reentry: { concurrent: 1, on_conflict: ignore }
steps:
  left: { wait_until: [ { event: advanced, next: right }, { after: 365d, next: end } ] }
  right: { wait_until: [ { event: advanced, next: left }, { after: 365d, next: end } ] }
";
/// Traffic before the measured window.
const WARM_UP: Duration = Duration::from_secs(2);
/// Longest time for starting all customers.
const START_MAX: Duration = Duration::from_secs(3_600);

pub(crate) async fn run(node: &NodeUnderTest, arguments: &RunArguments) -> anyhow::Result<Report> {
    let client = Client::connect(node.address()).await?;
    let file = wire::SourceFile {
        name: "advance.yaml".to_owned(),
        text: JOURNEY.to_owned(),
    };
    let publish = wire::PublishJourneysRequest { files: vec![file] };
    client
        .publish_journeys(publish)
        .await
        .context("publishing the scenario's journey")?;
    let before = counts(&client).await?;
    let run_id: u64 = rand::rng().random();
    let started = start_customers(node, arguments, run_id).await?;

    let from = cluster::monotonic_now() + WARM_UP;
    let window = Window {
        from,
        to: from + Duration::from_secs(u64::from(arguments.seconds)),
    };
    let mut tasks = Vec::new();
    for connection in 0..arguments.connections {
        let client = Client::connect(node.address()).await?;
        let mut events = Events::new(arguments, run_id, connection);
        let in_flight = arguments.in_flight as usize;
        tasks.push(tokio::spawn(async move {
            drive(&client, in_flight, window, || Some(events.advance())).await
        }));
    }
    let mut tally = Tally::new()?;
    for task in tasks {
        tally.add(&task.await??)?;
    }
    prove(&started, &tally, &before, &counts(&client).await?)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let events_per_second = tally.n_measured as f64 / f64::from(arguments.seconds);
    Ok(Report {
        scenario: "advance",
        seconds: f64::from(arguments.seconds),
        customers: arguments.customers,
        connections: arguments.connections,
        batch: arguments.batch,
        in_flight: arguments.in_flight,
        events: tally.n_measured,
        events_per_second,
        ack_latency_ms: Latency::of(&tally.latency_us),
        resident_bytes: node.resident_bytes(),
        disk_bytes: node.disk_bytes(),
        sums_proven: true,
    })
}

async fn counts(client: &Client) -> anyhow::Result<wire::JourneyCounts> {
    let request = wire::GetJourneyCountsRequest {
        id: "advance".to_owned(),
        version: 0,
    };
    client
        .get_journey_counts(request)
        .await?
        .counts
        .context("the node answered without counts")
}

/// Starts an instance for every customer, over one connection.
async fn start_customers(
    node: &NodeUnderTest,
    arguments: &RunArguments,
    run_id: u64,
) -> anyhow::Result<Tally> {
    let client = Client::connect(node.address()).await?;
    let now = cluster::monotonic_now();
    let window = Window {
        from: now,
        to: now + START_MAX,
    };
    let mut customers = 0..arguments.customers;
    let batch = arguments.batch as usize;
    let tally = drive(&client, arguments.in_flight as usize * 2, window, || {
        let events: Vec<_> = customers
            .by_ref()
            .take(batch)
            .map(|customer| {
                event(
                    run_id,
                    customer,
                    format!("{run_id:x}-s{customer}"),
                    "started",
                )
            })
            .collect();
        (!events.is_empty()).then_some(events)
    })
    .await?;
    anyhow::ensure!(
        tally.n_accepted == u64::from(arguments.customers),
        "only {} of {} customers could be started: {:?}",
        tally.n_accepted,
        arguments.customers,
        tally.refusals
    );
    Ok(tally)
}

/// Makes the events of one connection.
struct Events {
    rng: SmallRng,
    run_id: u64,
    connection: u32,
    n_customers: u32,
    batch: usize,
    n_events: u64,
}

impl Events {
    fn new(arguments: &RunArguments, run_id: u64, connection: u32) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(run_id ^ u64::from(connection)),
            run_id,
            connection,
            n_customers: arguments.customers,
            batch: arguments.batch as usize,
            n_events: 0,
        }
    }

    fn advance(&mut self) -> Vec<wire::CustomerEvent> {
        (0..self.batch)
            .map(|_| {
                self.n_events += 1;
                let customer = self.rng.random_range(0..self.n_customers);
                let id = format!("{:x}-{}-{}", self.run_id, self.connection, self.n_events);
                event(self.run_id, customer, id, "advanced")
            })
            .collect()
    }
}

/// Customers are new for each run, so that a node that runs already can be measured again.
fn event(run_id: u64, customer: u32, id: String, name: &str) -> wire::CustomerEvent {
    let customer_id = format!("{:08x}-{customer}", run_id >> 32);
    wire::CustomerEvent {
        customer_id,
        id,
        name: name.to_owned(),
        ..Default::default()
    }
}

/// Holds what was acknowledged against what the node counted.
fn prove(
    started: &Tally,
    tally: &Tally,
    before: &wire::JourneyCounts,
    after: &wire::JourneyCounts,
) -> anyhow::Result<()> {
    let left =
        |counts: &wire::JourneyCounts| counts.steps.values().map(|step| step.left).sum::<u64>();
    let (n_entered, n_left) = (after.entered - before.entered, left(after) - left(before));
    anyhow::ensure!(
        tally.n_not_accepted == 0,
        "{} events were not accepted, such as {:?}",
        tally.n_not_accepted,
        tally.refusals
    );
    anyhow::ensure!(
        n_entered == started.n_accepted,
        "{} customers were acknowledged as started, the node counted {n_entered}",
        started.n_accepted
    );
    anyhow::ensure!(
        n_left == tally.n_accepted,
        "{} events were acknowledged, the node counted {n_left} steps left",
        tally.n_accepted
    );
    Ok(())
}
