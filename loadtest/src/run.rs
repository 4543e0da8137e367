//! From arguments to an exit code.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::arguments::{Arguments, Command, FloorArguments, OutputFormat, RunArguments};
use crate::{compare, floor, measure, report, scenario, suite};

/// Seconds of measuring where only the floor is asked for.
const FLOOR_SECONDS: u32 = 10;

/// Parses the arguments (the first is the program's name) and runs. `program_prefix` are arguments that make the
/// running executable behave as `loadtest`, for a process that is several programs in one.
///
/// Exit codes: 0 the sums are proven, 1 they are not or the run failed, 2 wrong usage.
pub fn run(program_prefix: &[OsString], arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() {
                ExitCode::from(code)
            } else {
                ExitCode::FAILURE
            };
        }
    };
    if let Command::Node { arguments } = arguments.command {
        let program = OsString::from("journeyd");
        let arguments = arguments.into_iter().map(OsString::from);
        return cluster::run(std::iter::once(program).chain(arguments));
    }
    match carry_out(program_prefix, arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(program_prefix: &[OsString], command: Command) -> anyhow::Result<()> {
    match command {
        Command::Node { .. } => anyhow::bail!("the node runs without the harness"),
        Command::FloorServer { data_dir } => floor::serve(&data_dir),
        Command::List => {
            for name in scenario::names() {
                let scenario = scenario::load(name)?;
                say(&format!("{name:<10} {}", scenario.about))?;
            }
            Ok(())
        }
        Command::Show { scenario: name } => {
            let text = scenario::text_of(&name).with_context(|| unknown(&name))?;
            say(text.trim_end())
        }
        Command::Compare { first, second } => {
            let (first, second) = (compare::read(&first)?, compare::read(&second)?);
            say(compare::compare(&first, &second).trim_end())
        }
        Command::Run(arguments) => runtime()?.block_on(run_scenario(program_prefix, &arguments)),
        Command::Floor(arguments) => runtime()?.block_on(run_floor(program_prefix, &arguments)),
        Command::Suite(arguments) => {
            let (table, is_proven) =
                runtime()?.block_on(suite::suite(program_prefix, &arguments))?;
            say(&table)?;
            anyhow::ensure!(is_proven, "not every scenario proved its sums");
            Ok(())
        }
    }
}

async fn run_scenario(program_prefix: &[OsString], arguments: &RunArguments) -> anyhow::Result<()> {
    let mut scenario = scenario::load(&arguments.scenario)?;
    arguments.changes.apply(&mut scenario)?;
    let found = measure::measure(program_prefix, arguments, &scenario).await?;
    if let Some(path) = &arguments.report {
        std::fs::write(path, report::html(&found))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    match arguments.output {
        OutputFormat::Json => say(&serde_json::to_string(&found)?)?,
        OutputFormat::Text => say(&found.to_string())?,
    }
    let missing: Vec<String> = found.missing().map(|proof| format!("  {proof}")).collect();
    anyhow::ensure!(
        missing.is_empty(),
        "the sums of {} do not hold:\n{}",
        found.scenario,
        missing.join("\n")
    );
    Ok(())
}

async fn run_floor(program_prefix: &[OsString], arguments: &FloorArguments) -> anyhow::Result<()> {
    let seconds = arguments.changes.seconds.unwrap_or(FLOOR_SECONDS);
    let mut floors = BTreeMap::new();
    for name in &arguments.scenarios {
        let mut scenario = scenario::load(name)?;
        arguments.changes.apply(&mut scenario)?;
        let found = measure::floor(program_prefix, &scenario, seconds).await?;
        if arguments.output == OutputFormat::Text {
            say(&format!(
                "floor of {name}: {:.0} events/s, ack {}\n  {}: {} connections, batches of {}, {} in flight each",
                found.events_per_second,
                found.ack_latency_ms,
                found.form,
                found.connections,
                found.batch,
                found.in_flight
            ))?;
        }
        floors.insert(name, found);
    }
    if arguments.output == OutputFormat::Json {
        say(&serde_json::to_string(&floors)?)?;
    }
    Ok(())
}

/// What is said of a scenario that is not there.
pub(crate) fn unknown(name: &str) -> String {
    let names: Vec<_> = scenario::names().collect();
    format!(
        "there is no scenario `{name}`; there are {}, or give a TOML file",
        names.join(", ")
    )
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.context("starting the harness")
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("printing the result")
}
