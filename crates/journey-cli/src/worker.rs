//! `journeyctl worker`: a worker on the command line; prints effects as JSON lines and answers them.

use std::process::ExitCode;

use anyhow::Context as _;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, ClusterClient, WorkerMessage, wire};

use crate::arguments::{WorkerArguments, WorkerFailure};
use crate::output::Output;

pub(crate) async fn run(
    arguments: WorkerArguments,
    address: &str,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let answer = parse_answer(arguments.answer.as_deref())?;
    // Says at once when nobody is there.
    Client::connect(address).await?;
    let addresses = address.split(',').map(|address| address.trim().to_owned());
    let cluster = ClusterClient::new(addresses)?;
    let subscribe = wire::Subscribe {
        workspace: workspace.to_owned(),
        channels: arguments.channels.clone(),
        worker: format!("journeyctl-{}", std::process::id()),
        credit: arguments.credit,
        queues: arguments.queues.clone(),
    };
    let mut session = cluster.work(subscribe);
    let without_leader = session.subscribed().await?;
    if !without_leader.is_empty() {
        let names: Vec<String> = without_leader.iter().map(u32::to_string).collect();
        eprintln!(
            "journeyctl: nothing comes from the partitions {} until they have a leader; `journeyctl partition list --unhealthy` \
             says why they have none",
            names.join(", ")
        );
    }
    let mut n_printed = 0_u64;
    let mut n_unanswered = 0_u64;
    let is_done = |n_printed: u64| arguments.limit.is_some_and(|limit| n_printed >= limit);
    while !(is_done(n_printed) && n_unanswered == 0) {
        match session.next().await? {
            WorkerMessage::Effect(effect) if is_done(n_printed) => {
                // Beyond the limit: left unanswered, so it is offered again to another worker.
                drop(effect);
            }
            WorkerMessage::Effect(effect) => {
                output.json(&effect)?;
                n_printed += 1;
                n_unanswered += 1;
                session
                    .settle(vec![outcome(&effect, answer.as_ref(), arguments.fail)])
                    .await;
            }
            WorkerMessage::Results(results) => {
                n_unanswered = n_unanswered.saturating_sub(results.len() as u64);
                for result in results.iter().filter(|result| !result.reason.is_empty()) {
                    eprintln!("journeyctl: {}: {}", result.effect_id, result.reason);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The `--answer`, once it is known to be JSON.
fn parse_answer(text: Option<&str>) -> anyhow::Result<Option<pbjson_types::Value>> {
    let parse = |text| {
        serde_json::from_str(text)
            .with_context(|| format!("--answer {text:?} is no JSON; quote text, such as '\"yes\"'"))
    };
    text.map(parse).transpose()
}

fn outcome(
    effect: &wire::Effect,
    answer: Option<&pbjson_types::Value>,
    fail: Option<WorkerFailure>,
) -> wire::Outcome {
    let is_message = effect.kind == "message";
    let (result, reason) = match fail {
        None if !is_message => (Outcome::Completed, String::new()),
        None => (Outcome::Sent, String::new()),
        Some(WorkerFailure::Now) => (
            Outcome::FailedForNow,
            "journeyctl worker --fail now".to_owned(),
        ),
        Some(WorkerFailure::Good) => (
            Outcome::FailedForGood,
            "journeyctl worker --fail good".to_owned(),
        ),
    };
    wire::Outcome {
        effect_id: effect.effect_id.clone(),
        attempt: effect.attempt,
        result: result.into(),
        retry_after: None,
        reason,
        answer: answer.filter(|_| result == Outcome::Completed).cloned(),
    }
}
