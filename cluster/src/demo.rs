//! `journeyd demo`: a durable node with sample journeys, a generated shop and a worker, shown as it runs.
//!
//! Everything but the node itself goes over the public API, as a backend would.

mod screen;
mod shop;
mod traffic;
mod worker;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use journey_client::{Client, wire};
use journey_types::TimeSpan;

use crate::arguments::DemoArguments;
use crate::clock::monotonic_now;
use crate::config::Config;
use crate::demo::screen::Screen;
use crate::demo::traffic::Traffic;
use crate::node::RunningNode;
use crate::start::stop_signal;

/// The sample journeys, as they lie in `cluster/journeys`.
const JOURNEYS: [(&str, &str); 3] = [
    ("welcome.yaml", include_str!("../journeys/welcome.yaml")),
    (
        "abandoned_cart.yaml",
        include_str!("../journeys/abandoned_cart.yaml"),
    ),
    ("win_back.yaml", include_str!("../journeys/win_back.yaml")),
];

/// Runs the demo until Ctrl-C, SIGTERM or the end of `--for`.
pub(crate) async fn run(arguments: &DemoArguments, config: &Config) -> anyhow::Result<()> {
    let run_for = arguments
        .run_for
        .as_deref()
        .map(TimeSpan::parse)
        .transpose();
    let run_for = run_for.map_err(|reason| anyhow::anyhow!("--for: {reason}"))?;
    let node = RunningNode::start(config).await?;
    let address = format!("http://{}", node.address());
    let client = Client::connect(&address).await?;
    publish(&client).await?;
    announce(&address, config, arguments.rate);

    let traffic = Arc::new(Traffic::default());
    let shop = tokio::spawn(shop::run(
        client.clone(),
        arguments.rate,
        Arc::clone(&traffic),
    ));
    let worker = tokio::spawn(worker::run(client.clone(), Arc::clone(&traffic)));
    let ended = tokio::select! {
        biased;
        () = stop_signal() => Ok(()),
        () = pause(run_for) => Ok(()),
        failed = node.failed() => Err(failed.into()),
        result = show(&node, &client, &traffic) => result,
        result = shop => result.context("the shop stopped")?,
        result = worker => result.context("the worker stopped")?,
    };
    let summary = traffic.summary();
    node.stop().await?;
    eprintln!("{summary}");
    eprintln!(
        "stopped; everything acknowledged is in {}, run the demo again and it goes on",
        config.data_dir.display()
    );
    ended
}

/// Publishes the sample journeys.
pub(crate) async fn publish(client: &Client) -> anyhow::Result<()> {
    let files = JOURNEYS
        .iter()
        .map(|(name, text)| wire::SourceFile {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
        })
        .collect();
    client
        .publish_journeys(wire::PublishJourneysRequest { files })
        .await
        .context("publishing the sample journeys")?;
    Ok(())
}

fn announce(address: &str, config: &Config, rate: u32) {
    eprintln!(
        "journeyd demo: one durable node at {address}, data in {}",
        config.data_dir.display()
    );
    eprintln!(
        "  journeys  welcome, abandoned_cart, win_back; their waits are 15 to 45 seconds so that you can watch them"
    );
    eprintln!(
        "  shop      {rate} events per second of made-up customers; every ack is after an fsync"
    );
    eprintln!("  worker    takes and acknowledges every message");
    eprintln!("  try       journeyctl --address {address} journey counts abandoned_cart");
    eprintln!("  stop      Ctrl-C; a restart goes on where it was\n");
}

async fn pause(run_for: Option<TimeSpan>) {
    match run_for.and_then(|span| u64::try_from(span.ms()).ok()) {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
}

/// Draws once a second: a table on a terminal, a line elsewhere.
async fn show(node: &RunningNode, client: &Client, traffic: &Traffic) -> anyhow::Result<()> {
    let mut screen = Screen::new(std::io::stdout().is_terminal());
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut last = monotonic_now();
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let now = monotonic_now();
        let window = traffic.take_window(now.duration_since(last));
        last = now;
        let mut journeys = Vec::new();
        for (name, _) in JOURNEYS {
            let id = name.trim_end_matches(".yaml").to_owned();
            let request = wire::GetJourneyCountsRequest {
                id: id.clone(),
                version: 0,
            };
            let counts = client
                .get_journey_counts(request)
                .await?
                .counts
                .unwrap_or_default();
            journeys.push((id, counts));
        }
        screen.draw(&window, &node.stats(), &journeys)?;
    }
}
