//! `journeyctl journey test`: the tests embedded in journeys, each on a partition of its own in virtual time.
//!
//! Messages are delivered by themselves; calls and tasks wait for an `outcome` that the test gives.

mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_types::CatalogRevision;
use serde_json::json;

use crate::output::Output;
use crate::sources;

use world::World;

/// One test and what came of it.
#[derive(Debug)]
struct Verdict {
    journey: String,
    name: String,
    /// `sent: expected […], found […]`, one for each thing that differs.
    differences: Vec<String>,
    /// What happened, one line a fact.
    journal: Vec<String>,
}

/// Runs every test of the files; the exit code is 1 when one of them fails, or when there is none.
pub(crate) fn run(paths: &[PathBuf], output: Output) -> anyhow::Result<ExitCode> {
    let files = sources::for_model(&sources::read(paths)?);
    report_verdicts(&verdicts_of(&files)?, output)
}

fn verdicts_of(files: &[Source]) -> anyhow::Result<Vec<Verdict>> {
    let report = check(files, &Catalog::default());
    anyhow::ensure!(
        report.is_publishable(),
        "the journeys have mistakes:\n{}",
        report.render()
    );
    let documents: Vec<PublishedDocument> = report
        .documents
        .into_iter()
        .map(|document| document.published(1))
        .collect();
    let catalog = Arc::new(Catalog::build(CatalogRevision::new(1), &documents)?);
    let mut verdicts = Vec::new();
    for journey in catalog.journeys.keys() {
        let Some(plan) = catalog.newest_plan(journey) else {
            continue;
        };
        for test in &plan.tests {
            let mut world = World::new(&catalog, journey, test.start)?;
            world.play(test)?;
            verdicts.push(Verdict {
                journey: journey.to_string(),
                name: test.name.clone(),
                differences: world.differences(&test.expect)?,
                journal: world.into_journal(),
            });
        }
    }
    anyhow::ensure!(
        !verdicts.is_empty(),
        "there is no test in these files; add `tests: [ {{ name: …, given: […], expect: {{…}} }} ]` to a journey"
    );
    Ok(verdicts)
}

fn report_verdicts(verdicts: &[Verdict], output: Output) -> anyhow::Result<ExitCode> {
    let n_failed = verdicts.iter().filter(|one| !one.differences.is_empty());
    let n_failed = n_failed.count();
    if output.is_json() {
        let tests = verdicts.iter().map(|one| {
            json!({
                "journey": one.journey,
                "name": one.name,
                "passed": one.differences.is_empty(),
                "differences": one.differences,
                "journal": one.journal,
            })
        });
        let tests: Vec<serde_json::Value> = tests.collect();
        output.json(&json!({ "tests": tests, "failed": n_failed }))?;
    } else {
        for one in verdicts {
            print_verdict(one, output)?;
        }
        output.text(&format!("{} tests, {n_failed} failed\n", verdicts.len()))?;
    }
    Ok(if n_failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_verdict(one: &Verdict, output: Output) -> anyhow::Result<()> {
    let Verdict { journey, name, .. } = one;
    if one.differences.is_empty() {
        return output.text(&format!("ok      {journey}: {name}\n"));
    }
    let mut text = format!("FAILED  {journey}: {name}\n");
    for difference in &one.differences {
        text.push_str(&format!("          {difference}\n"));
    }
    text.push_str("        what happened:\n");
    for line in &one.journal {
        text.push_str(&format!("          {line}\n"));
    }
    output.text(&text)
}

#[cfg(test)]
mod tests;
