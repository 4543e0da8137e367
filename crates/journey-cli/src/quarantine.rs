//! `journeyctl quarantine`: list, show, replay, discard, release.

use std::process::ExitCode;

use anyhow::Context as _;
use journey_client::{Client, wire};

use crate::arguments::QuarantineCommand;
use crate::output::{Output, instant};
use crate::set_aside::{carry_out, confirm, each_page, held_text};

pub(crate) async fn run(
    command: QuarantineCommand,
    address: &str,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(address).await?;
    match command {
        QuarantineCommand::List { customer } => {
            list(&client, filter_of(customer.as_deref(), workspace), *output).await?;
            Ok(ExitCode::SUCCESS)
        }
        QuarantineCommand::Show { id } => {
            show(&client, id, *output).await?;
            Ok(ExitCode::SUCCESS)
        }
        QuarantineCommand::Replay { customer, what } => {
            let by_filter = confirm(&what, customer.is_none(), "replay")?;
            let filter = by_filter.then(|| filter_of(customer.as_deref(), workspace));
            let call = |request| client.replay_quarantined(request);
            carry_out(&what, filter, ("replayed", *output), call).await
        }
        QuarantineCommand::Discard { customer, what } => {
            let by_filter = confirm(&what, customer.is_none(), "discard")?;
            let filter = by_filter.then(|| filter_of(customer.as_deref(), workspace));
            let call = |request| client.discard_quarantined(request);
            carry_out(&what, filter, ("discarded", *output), call).await
        }
        QuarantineCommand::Release { customer } => {
            let request = wire::ReleaseCustomerRequest {
                workspace: workspace.to_owned(),
                customer_id: customer.clone(),
            };
            let released = client.release_customer(request).await?;
            if output.is_json() {
                output.json(&released)?;
            } else if released.was_parked {
                output.text(&format!("{customer} goes on"))?;
            } else {
                output.text(&format!("{customer} was not parked"))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn filter_of(customer: Option<&str>, workspace: &str) -> wire::SetAsideFilter {
    wire::SetAsideFilter {
        workspace: workspace.to_owned(),
        customer_id: customer.unwrap_or_default().to_owned(),
        ..Default::default()
    }
}

async fn list(client: &Client, filter: wire::SetAsideFilter, output: Output) -> anyhow::Result<()> {
    let (mut rows, mut parked) = (Vec::new(), Vec::new());
    let mut held = wire::SetAsideSum::default();
    let ask = |request| client.list_quarantined(request);
    each_page(filter, ask, |page: wire::ListQuarantinedResponse| {
        if output.is_json() {
            for command in &page.commands {
                output.json(command)?;
            }
            for customer in &page.parked {
                output.json(customer)?;
            }
        }
        rows.extend(page.commands.iter().map(row));
        parked.extend(page.parked);
        held = page.held.unwrap_or_default();
        Ok(page.next_page_token)
    })
    .await?;
    if output.is_json() {
        return Ok(());
    }
    if rows.is_empty() {
        output.text("nothing is quarantined")?;
    } else {
        let headings = ["since", "customer", "command", "event", "reason", "id"];
        output.table(&headings, rows)?;
    }
    for customer in parked {
        output.text(&format!(
            "PARKED: {} of workspace {} since {}: {}; `journeyctl quarantine release {}` lets it go on",
            customer.customer_id,
            customer.workspace,
            instant(customer.since.as_ref()),
            customer.reason,
            customer.customer_id
        ))?;
    }
    output.text(&held_text("quarantined commands", held))
}

fn row(command: &wire::QuarantinedCommand) -> Vec<String> {
    let event = if !command.event_id.is_empty() {
        format!("{} ({})", command.event_name, command.event_id)
    } else if !command.enroll_id.is_empty() {
        format!("into {} ({})", command.journey, command.enroll_id)
    } else {
        String::new()
    };
    vec![
        instant(command.since.as_ref()),
        command.customer_id.clone(),
        command.kind.clone(),
        event,
        command.reason.clone(),
        command.id.clone(),
    ]
}

async fn show(client: &Client, id: String, output: Output) -> anyhow::Result<()> {
    let request = wire::GetQuarantinedRequest { id };
    let command = client.get_quarantined(request).await?.command;
    let command = command.context("the node answered without a command")?;
    if output.is_json() {
        return output.json(&command);
    }
    let mut text = format!(
        "id          {}\ncustomer    {}\nworkspace   {}\ncommand     {}\nsince       {}\nreason      {}\n",
        command.id,
        command.customer_id,
        command.workspace,
        command.kind,
        instant(command.since.as_ref()),
        command.reason
    );
    if !command.event_id.is_empty() {
        text.push_str(&format!(
            "event       {} ({} of {}), occurred {}\n",
            command.event_name,
            command.event_id,
            command.event_source,
            instant(command.occurred_at.as_ref())
        ));
    }
    if !command.enroll_id.is_empty() {
        text.push_str(&format!(
            "enroll      into {} ({})\n",
            command.journey, command.enroll_id
        ));
    }
    for values in [&command.properties, &command.input].into_iter().flatten() {
        for (name, value) in &values.fields {
            text.push_str(&format!("  {name} = {}\n", serde_json::to_string(value)?));
        }
    }
    output.text(&text)
}
