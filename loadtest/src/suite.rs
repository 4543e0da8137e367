//! Many scenarios one after the other: a report of each, and one table for the README.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;

use crate::arguments::{Changes, OutputFormat, RunArguments, SuiteArguments};
use crate::measure::measure;
use crate::report::{Report, html, markdown_table};
use crate::scenario;

/// What runs where nothing else is asked for: name, or name and customers. Together below 15 minutes on two cores.
const SUITE: [&str; 13] = [
    "ingest",
    "advance:10000",
    "advance",
    "advance:1000000",
    "unary",
    "mixed",
    "timers",
    "hot",
    "burst",
    "overload",
    "restart",
    "replication",
    "soak",
];
/// Seconds of soaking within a suite.
const SOAK_SECONDS: u32 = 60;

/// Runs the suite and returns its table.
pub(crate) async fn suite(
    program_prefix: &[OsString],
    arguments: &SuiteArguments,
) -> anyhow::Result<(String, bool)> {
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("making {}", arguments.out.display()))?;
    let all = SUITE.map(str::to_owned);
    let wanted = if arguments.only.is_empty() {
        &all[..]
    } else {
        &arguments.only[..]
    };
    let mut reports = Vec::new();
    let mut failed = Vec::new();
    for wanted in wanted {
        match one(program_prefix, arguments, wanted).await {
            Ok(report) => {
                if !report.sums_proven {
                    failed.push(wanted.clone());
                }
                eprintln!("{report}\n");
                write(&arguments.out, wanted, &report)?;
                reports.push(report);
            }
            Err(error) => {
                eprintln!("{wanted} failed: {error:#}\n");
                failed.push(wanted.clone());
            }
        }
        let table = markdown_table(&reports);
        let path = arguments.out.join("table.md");
        std::fs::write(&path, table).with_context(|| format!("writing {}", path.display()))?;
    }
    let mut text = markdown_table(&reports);
    for failed in &failed {
        text.push_str(&format!("\n{failed} did not prove its sums\n"));
    }
    Ok((text, failed.is_empty()))
}

async fn one(
    program_prefix: &[OsString],
    arguments: &SuiteArguments,
    wanted: &str,
) -> anyhow::Result<Report> {
    let (name, customers) = match wanted.split_once(':') {
        Some((name, customers)) => {
            let customers = customers
                .parse()
                .with_context(|| format!("`{wanted}`: customers must be a number"))?;
            (name, Some(customers))
        }
        None => (wanted, None),
    };
    let mut changes = if arguments.tiny {
        Changes::tiny()
    } else {
        Changes::default()
    };
    if name == "soak" && !arguments.tiny {
        changes.seconds = Some(SOAK_SECONDS);
    }
    if customers.is_some() && !arguments.tiny {
        changes.customers = customers;
    }
    let run = RunArguments {
        scenario: name.to_owned(),
        changes,
        address: Vec::new(),
        http: Vec::new(),
        data_dir: None,
        one_node_first: true,
        floor_seconds: if arguments.tiny { 1 } else { 4 },
        report: None,
        output: OutputFormat::Text,
    };
    let mut scenario = scenario::load(name)?;
    run.changes.apply(&mut scenario)?;
    measure(program_prefix, &run, &scenario).await
}

fn write(out: &Path, wanted: &str, report: &Report) -> anyhow::Result<()> {
    let name = wanted.replace([':', '/'], "-");
    let json = serde_json::to_string(report)?;
    for (extension, text) in [("json", json), ("html", html(report))] {
        let path = out.join(format!("{name}.{extension}"));
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
