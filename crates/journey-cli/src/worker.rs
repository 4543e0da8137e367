//! `journeyctl worker`: a worker on the command line; prints effects as JSON lines and answers them.

use std::process::ExitCode;

use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, WorkerMessage, wire};

use crate::arguments::{WorkerArguments, WorkerFailure};
use crate::output::Output;

pub(crate) async fn run(
    arguments: WorkerArguments,
    address: &str,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(address).await?;
    let subscribe = wire::Subscribe {
        workspace: workspace.to_owned(),
        channels: arguments.channels.clone(),
        worker: format!("journeyctl-{}", std::process::id()),
        credit: arguments.credit,
        queues: Vec::new(),
    };
    let mut session = client.work(subscribe).await?;
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
                    .settle(vec![outcome(&effect, arguments.fail)])
                    .await?;
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

fn outcome(effect: &wire::Effect, fail: Option<WorkerFailure>) -> wire::Outcome {
    let (result, reason) = match fail {
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
        reason,
    }
}
