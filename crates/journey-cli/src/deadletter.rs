//! `journeyctl deadletter`: list, read, replay, discard.

use std::process::ExitCode;

use anyhow::Context as _;
use journey_client::{Client, wire};

use crate::arguments::{DeadLetterCommand, DeadLetterFilter};
use crate::output::{Output, instant};
use crate::set_aside::{carry_out, confirm, each_page, held_text};

pub(crate) async fn run(
    command: DeadLetterCommand,
    address: &str,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(address).await?;
    match command {
        DeadLetterCommand::List { filter } => {
            list(&client, filter_of(&filter, workspace), *output).await?;
            Ok(ExitCode::SUCCESS)
        }
        DeadLetterCommand::Read { id } => {
            read(&client, id, *output).await?;
            Ok(ExitCode::SUCCESS)
        }
        DeadLetterCommand::Replay { filter, what } => {
            let by_filter = confirm(&what, filter.is_empty(), "replay")?;
            let filter = by_filter.then(|| filter_of(&filter, workspace));
            let call = |request| client.replay_dead_letters(request);
            carry_out(&what, filter, ("replayed", *output), call).await
        }
        DeadLetterCommand::Discard { filter, what } => {
            let by_filter = confirm(&what, filter.is_empty(), "discard")?;
            let filter = by_filter.then(|| filter_of(&filter, workspace));
            let call = |request| client.discard_dead_letters(request);
            carry_out(&what, filter, ("discarded", *output), call).await
        }
    }
}

fn filter_of(filter: &DeadLetterFilter, workspace: &str) -> wire::SetAsideFilter {
    wire::SetAsideFilter {
        workspace: workspace.to_owned(),
        destination: filter.channel.clone().unwrap_or_default(),
        journey: filter.journey.clone().unwrap_or_default(),
        customer_id: filter.customer.clone().unwrap_or_default(),
    }
}

async fn list(client: &Client, filter: wire::SetAsideFilter, output: Output) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut last = wire::ListDeadLettersResponse::default();
    let ask = |request| client.list_dead_letters(request);
    each_page(filter, ask, |page: wire::ListDeadLettersResponse| {
        for letter in &page.dead_letters {
            if output.is_json() {
                output.json(letter)?;
            } else {
                rows.push(row(letter));
            }
        }
        last = page;
        Ok(std::mem::take(&mut last.next_page_token))
    })
    .await?;
    if output.is_json() {
        return Ok(());
    }
    show(rows, last.held, &last.stopped_queues, output)
}

fn show(
    rows: Vec<Vec<String>>,
    held: Option<wire::SetAsideSum>,
    stopped: &[wire::StoppedQueue],
    output: Output,
) -> anyhow::Result<()> {
    if rows.is_empty() {
        output.text("no dead letters")?;
    } else {
        let headings = [
            "since", "channel", "customer", "journey", "step", "attempts", "why", "id",
        ];
        output.table(&headings, rows)?;
    }
    for queue in stopped {
        output.text(&format!(
            "STOPPED: {}{}: {}",
            queue.destination,
            whereabouts(queue),
            queue.reason
        ))?;
    }
    output.text(&held_text("dead letters", held.unwrap_or_default()))
}

/// Of whom, where and since when a queue stands still, as far as that is known.
fn whereabouts(queue: &wire::StoppedQueue) -> String {
    if queue.workspace.is_empty() {
        return String::new();
    }
    let customer = if queue.customer_id.is_empty() {
        String::new()
    } else {
        format!(" of customer {}", queue.customer_id)
    };
    format!(
        "{customer} of workspace {} in partition {} since {}",
        queue.workspace,
        queue.partition,
        instant(queue.since.as_ref())
    )
}

fn row(letter: &wire::DeadLetter) -> Vec<String> {
    vec![
        instant(letter.since.as_ref()),
        letter.destination.clone(),
        letter.customer_id.clone(),
        format!("{} v{}", letter.journey, letter.version),
        letter.step.clone(),
        letter.attempt_count.to_string(),
        letter.reason.clone(),
        letter.effect_id.clone(),
    ]
}

async fn read(client: &Client, effect_id: String, output: Output) -> anyhow::Result<()> {
    let request = wire::GetDeadLetterRequest { effect_id };
    let letter = client.get_dead_letter(request).await?.dead_letter;
    let letter = letter.context("the node answered without a dead letter")?;
    if output.is_json() {
        return output.json(&letter);
    }
    let mut text = format!(
        "id          {}\nkind        {}\nchannel     {}\ncustomer    {}\nworkspace   {}\njourney     {} v{}, step {}, instance {}\nemitted     {}\ndead since  {}\nreason      {}\n",
        letter.effect_id,
        letter.kind,
        letter.destination,
        letter.customer_id,
        letter.workspace,
        letter.journey,
        letter.version,
        letter.step,
        letter.instance,
        instant(letter.created_at.as_ref()),
        instant(letter.since.as_ref()),
        letter.reason
    );
    if letter.send_by.is_some() {
        text.push_str(&format!(
            "send by     {}\n",
            instant(letter.send_by.as_ref())
        ));
    }
    if !letter.why.is_empty() {
        text.push_str(&format!("why         {}\n", letter.why));
    }
    if !letter.content.is_empty() {
        text.push_str(&format!("content     {}\n", letter.content));
    }
    for (field, rendered) in &letter.rendered {
        text.push_str(&format!("  {field}: {rendered}\n"));
    }
    if let Some(input) = &letter.input {
        text.push_str(&format!("input       {}\n", serde_json::to_string(input)?));
    }
    output.text(&text)?;
    let rows = letter.attempts.iter().map(|attempt| {
        vec![
            attempt.number.to_string(),
            instant(attempt.at.as_ref()),
            attempt.worker.clone(),
            attempt.failure.clone(),
        ]
    });
    output.table(&["attempt", "at", "worker", "failure"], rows.collect())
}
