//! `journeyctl customer`: show, timeline, export.

use std::process::ExitCode;

use anyhow::Context as _;
use journey_client::{Client, wire};
use serde_json::json;

use crate::arguments::CustomerCommand;
use crate::output::{Output, instant};

/// Customers of one page of an export.
const EXPORT_PAGE_SIZE: u32 = 500;

pub(crate) async fn run(
    command: CustomerCommand,
    address: &str,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    // What cannot be read is told without a node.
    let ids = match &command {
        CustomerCommand::Export { ids: Some(path) } => std::fs::read_to_string(path)
            .with_context(|| format!("reading customer ids from {}", path.display()))?,
        CustomerCommand::Show { .. }
        | CustomerCommand::Timeline { .. }
        | CustomerCommand::Export { ids: None } => String::new(),
    };
    let client = Client::connect(address).await?;
    match command {
        CustomerCommand::Show { id } => show(&client, workspace, id, *output).await?,
        CustomerCommand::Timeline { id } => timeline(&client, workspace, id, *output).await?,
        CustomerCommand::Export { ids: Some(_) } => {
            for id in ids.lines().map(str::trim).filter(|line| !line.is_empty()) {
                output.json(&customer(&client, workspace, id.to_owned()).await?)?;
            }
        }
        CustomerCommand::Export { ids: None } => export_all(&client, workspace, *output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn customer(client: &Client, workspace: &str, id: String) -> anyhow::Result<wire::Customer> {
    let request = wire::GetCustomerRequest {
        workspace: workspace.to_owned(),
        customer_id: id,
        read: None,
    };
    client
        .get_customer(request)
        .await?
        .customer
        .context("the node answered without a customer")
}

async fn export_all(client: &Client, workspace: &str, output: Output) -> anyhow::Result<()> {
    let mut page_token = String::new();
    loop {
        let request = wire::ListCustomersRequest {
            workspace: workspace.to_owned(),
            page_size: EXPORT_PAGE_SIZE,
            page_token,
        };
        let page = client.list_customers(request).await?;
        for customer in &page.customers {
            output.json(customer)?;
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        page_token = page.next_page_token;
    }
}

async fn show(client: &Client, workspace: &str, id: String, output: Output) -> anyhow::Result<()> {
    let request = wire::ListInstancesRequest {
        workspace: workspace.to_owned(),
        customer_id: id.clone(),
        read: None,
    };
    let customer = customer(client, workspace, id).await?;
    let instances = client.list_instances(request).await?.instances;
    if output.is_json() {
        return output.json(&json!({ "customer": customer, "instances": instances }));
    }
    let mut text = format!(
        "customer    {}\nworkspace   {}\npartition   {}\nupdated     {}\nfacts       {}\n",
        customer.customer_id,
        customer.workspace,
        customer.partition,
        instant(customer.updated_at.as_ref()),
        customer.sequence
    );
    if !customer.lifecycle.is_empty() {
        text.push_str(&format!("lifecycle   {}\n", customer.lifecycle));
    }
    if let Some(traits) = &customer.traits {
        for (name, value) in &traits.fields {
            text.push_str(&format!(
                "trait       {name} = {}\n",
                serde_json::to_string(value)?
            ));
        }
    }
    for aggregate in &customer.history {
        let sum = if aggregate.sum.is_empty() {
            String::new()
        } else {
            format!(", sum {}", aggregate.sum)
        };
        text.push_str(&format!(
            "history     {}: {} events, first {}, last {}{sum}\n",
            aggregate.label,
            aggregate.count,
            instant(aggregate.first.as_ref()),
            instant(aggregate.last.as_ref())
        ));
    }
    text.push_str(&format!("to deliver  {}\n", customer.open_effects));
    output.text(&text)?;
    if instances.is_empty() {
        return output.text("no running instances");
    }
    let rows = instances.iter().map(instance_row).collect();
    output.table(
        &[
            "instance",
            "journey",
            "version",
            "key",
            "state",
            "step",
            "since",
            "waits for",
        ],
        rows,
    )
}

fn instance_row(instance: &wire::Instance) -> Vec<String> {
    let waits_for = if instance.parked_reason.is_empty() {
        &instance.waits_for
    } else {
        &instance.parked_reason
    };
    vec![
        instance.number.to_string(),
        instance.journey.clone(),
        instance.version.to_string(),
        instance.key.clone(),
        instance.state.clone(),
        instance.step.clone(),
        instant(instance.step_entered_at.as_ref()),
        waits_for.clone(),
    ]
}

async fn timeline(
    client: &Client,
    workspace: &str,
    id: String,
    output: Output,
) -> anyhow::Result<()> {
    let request = wire::GetTimelineRequest {
        workspace: workspace.to_owned(),
        customer_id: id,
        read: None,
    };
    let timeline = client.get_timeline(request).await?;
    if output.is_json() {
        return output.json(&timeline);
    }
    let row = |entry: &wire::TimelineEntry| {
        let instance = if entry.instance == 0 {
            String::new()
        } else {
            entry.instance.to_string()
        };
        vec![
            instant(entry.at.as_ref()),
            entry.sequence.to_string(),
            instance,
            entry.text.clone(),
        ]
    };
    output.table(
        &["at", "fact", "instance", "what happened"],
        timeline.entries.iter().map(row).collect(),
    )
}
