//! `journeyctl journey`: check, test, publish, list, show, counts, enroll.

mod enroll;

use std::process::ExitCode;

use anyhow::Context as _;
use journey_client::wire::diagnostic::Severity;
use journey_client::{Client, wire};
use serde_json::json;

use crate::arguments::JourneyCommand;
use crate::journey_test;
use crate::output::{Output, instant};
use crate::sources;

/// Journeys of one page.
const PAGE_SIZE: u32 = 500;

pub(crate) async fn run(
    command: JourneyCommand,
    address: &str,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let output = *output;
    match command {
        JourneyCommand::Check { paths, online } => {
            let files = sources::read(&paths)?;
            let response = if online {
                let request = wire::CheckJourneysRequest { files };
                Client::connect(address)
                    .await?
                    .check_journeys(request)
                    .await?
            } else {
                check_here(&files)
            };
            report_check(&response, output)
        }
        JourneyCommand::Test { paths } => journey_test::run(&paths, output),
        JourneyCommand::Publish { paths } => publish(sources::read(&paths)?, address, output).await,
        JourneyCommand::List => list(address, output).await,
        JourneyCommand::Show { id, version } => {
            let request = wire::GetJourneyRequest {
                id,
                version: version.unwrap_or(0),
            };
            let response = Client::connect(address).await?.get_journey(request).await?;
            if output.is_json() {
                output.json(&response)?
            } else {
                output.text(&response.source)?
            }
            Ok(ExitCode::SUCCESS)
        }
        JourneyCommand::Enroll(arguments) => {
            enroll::run(arguments, address, workspace, output).await
        }
        JourneyCommand::Launch { .. } => anyhow::bail!(
            "`launch` is not available yet; `journeyctl journey enroll JOURNEY --ids FILE` enrolls a list of customers"
        ),
        JourneyCommand::Counts { id, version } => {
            let request = wire::GetJourneyCountsRequest {
                id,
                version: version.unwrap_or(0),
            };
            let response = Client::connect(address)
                .await?
                .get_journey_counts(request)
                .await?;
            let counts = response
                .counts
                .context("the node answered without counts")?;
            if output.is_json() {
                output.json(&counts)?
            } else {
                print_counts(&counts, output)?
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Checks without a node, as if nothing were published yet.
fn check_here(files: &[wire::SourceFile]) -> wire::CheckJourneysResponse {
    let report = journey_model::check(
        &sources::for_model(files),
        &journey_model::Catalog::default(),
    );
    wire::CheckJourneysResponse {
        diagnostics: report.diagnostics.iter().map(diagnostic_to_wire).collect(),
        documents: report.documents.iter().map(document_to_wire).collect(),
    }
}

fn diagnostic_to_wire(diagnostic: &journey_model::Diagnostic) -> wire::Diagnostic {
    let severity = match diagnostic.severity {
        journey_model::Severity::Error => Severity::Error,
        journey_model::Severity::Warning => Severity::Warning,
    };
    wire::Diagnostic {
        severity: severity.into(),
        file: diagnostic.source_name.clone(),
        line: diagnostic.line,
        column: diagnostic.column,
        length: diagnostic.length,
        message: diagnostic.message.clone(),
        suggestion: diagnostic.suggestion.clone().unwrap_or_default(),
        rendered: diagnostic.render(),
    }
}

fn document_to_wire(document: &journey_model::CheckedDocument) -> wire::DocumentSummary {
    wire::DocumentSummary {
        kind: document.kind.to_string(),
        id: document.id.clone(),
        hash: document.hash.clone(),
        ..Default::default()
    }
}

fn is_error(diagnostic: &wire::Diagnostic) -> bool {
    diagnostic.severity() == Severity::Error
}

fn report_check(
    response: &wire::CheckJourneysResponse,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let n_errors = response
        .diagnostics
        .iter()
        .filter(|diagnostic| is_error(diagnostic))
        .count();
    let n_warnings = response.diagnostics.len() - n_errors;
    if output.is_json() {
        output.json(response)?;
    } else {
        for diagnostic in &response.diagnostics {
            output.text(&diagnostic.rendered)?;
        }
        output.text(&verdict(&response.documents, n_errors, n_warnings))?;
    }
    Ok(if n_errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The last line of a check: what is sound, and how much is not.
fn verdict(sound: &[wire::DocumentSummary], n_errors: usize, n_warnings: usize) -> String {
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (errors, warnings) = (counted(n_errors, "error"), counted(n_warnings, "warning"));
    let found = format!("{errors}, {warnings}");
    match (sound.is_empty(), n_errors) {
        (true, 0) => format!("no documents: {found}"),
        (true, _) => format!("{found}; no document is sound"),
        (false, 0) => format!("{}: {found}", summary(sound)),
        (false, _) => format!("{found}; sound: {}", summary(sound)),
    }
}

/// `2 journeys, 3 contents` for a list of documents.
fn summary(documents: &[wire::DocumentSummary]) -> String {
    let count = |kind: &str| {
        documents
            .iter()
            .filter(|document| document.kind == kind)
            .count()
    };
    let parts: Vec<String> = [
        ("journey", "journeys"),
        ("content", "contents"),
        ("schema", "schemas"),
        ("map", "maps"),
    ]
    .iter()
    .filter_map(|(kind, plural)| match count(kind) {
        0 => None,
        1 => Some(format!("1 {kind}")),
        n => Some(format!("{n} {plural}")),
    })
    .collect();
    if parts.is_empty() {
        "no documents".to_owned()
    } else {
        parts.join(", ")
    }
}

async fn publish(
    files: Vec<wire::SourceFile>,
    address: &str,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::connect(address).await?;
    // The check first, for its drawings of every problem; the publish checks again on its own.
    let check = client
        .check_journeys(wire::CheckJourneysRequest {
            files: files.clone(),
        })
        .await?;
    if check.diagnostics.iter().any(is_error) {
        return report_check(&check, output);
    }
    let response = client
        .publish_journeys(wire::PublishJourneysRequest { files })
        .await?;
    if output.is_json() {
        output.json(&response)?;
        return Ok(ExitCode::SUCCESS);
    }
    for diagnostic in &response.diagnostics {
        output.text(&diagnostic.rendered)?;
    }
    let row = |document: &wire::DocumentSummary| {
        let change = if document.unchanged {
            "unchanged"
        } else {
            "new"
        };
        let hash = document.hash.get(..12).unwrap_or(&document.hash).to_owned();
        vec![
            document.kind.clone(),
            document.id.clone(),
            document.version.to_string(),
            change.to_owned(),
            hash,
        ]
    };
    let rows = response.documents.iter().map(row).collect();
    output.table(&["kind", "id", "version", "change", "hash"], rows)?;
    for note in &response.notes {
        output.text(&format!("note: {note}"))?;
    }
    output.text(&format!("live as revision {}", response.revision))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(address: &str, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::connect(address).await?;
    let mut journeys = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = wire::ListJourneysRequest {
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_journeys(request).await?;
        journeys.extend(page.journeys);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    if output.is_json() {
        output.json(&json!({ "journeys": journeys }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |journey: &wire::Journey| {
        vec![
            journey.id.clone(),
            journey.version.to_string(),
            instant(journey.published_at.as_ref()),
            journey.entered.to_string(),
            journey.active.to_string(),
            journey.owner.clone(),
            journey.title.clone(),
        ]
    };
    let rows = journeys.iter().map(row).collect();
    output.table(
        &[
            "journey",
            "version",
            "published",
            "entered",
            "active",
            "owner",
            "title",
        ],
        rows,
    )?;
    Ok(ExitCode::SUCCESS)
}

fn print_counts(counts: &wire::JourneyCounts, output: Output) -> anyhow::Result<()> {
    let mut rows = vec![
        vec!["entered".to_owned(), counts.entered.to_string()],
        vec!["active".to_owned(), counts.active.to_string()],
        vec!["parked".to_owned(), counts.parked.to_string()],
        vec!["completed".to_owned(), counts.completed.to_string()],
        vec!["held out".to_owned(), counts.held_out.to_string()],
        vec!["timers fired".to_owned(), counts.timers_fired.to_string()],
        vec!["tasks overdue".to_owned(), counts.tasks_overdue.to_string()],
    ];
    let families = [
        ("exited", &counts.exited),
        ("goal", &counts.goals),
        ("message", &counts.messages),
        ("refused", &counts.refused),
        ("emitted", &counts.emitted),
    ];
    for (family, counts) in families {
        rows.extend(
            counts
                .iter()
                .map(|(name, count)| vec![format!("{family} {name}"), count.to_string()]),
        );
    }
    output.table(&["what", "count"], rows)?;
    let row = |(step, counts): (&String, &wire::StepCounts)| {
        vec![
            step.clone(),
            counts.entered.to_string(),
            counts.left.to_string(),
            counts.now.to_string(),
        ]
    };
    output.table(
        &["step", "entered", "left", "now"],
        counts.steps.iter().map(row).collect(),
    )
}

#[cfg(test)]
mod tests;
