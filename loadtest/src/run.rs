//! From arguments to an exit code.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::advance;
use crate::arguments::{Arguments, Command, OutputFormat, RunArguments, Scenario};
use crate::node::NodeUnderTest;

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
    match arguments.command {
        Command::Node { arguments } => {
            let program = OsString::from("journeyd");
            cluster::run(std::iter::once(program).chain(arguments.into_iter().map(OsString::from)))
        }
        Command::Run(arguments) => match carry_out(program_prefix, &arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("loadtest: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn carry_out(program_prefix: &[OsString], arguments: &RunArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let node = match &arguments.address {
            Some(address) => NodeUnderTest::at(address),
            None => NodeUnderTest::start(program_prefix, arguments.data_dir.as_deref())?,
        };
        let report = match arguments.scenario {
            Scenario::Advance => advance::run(&node, arguments).await,
        };
        node.stop()?;
        report
    })?;
    let text = match arguments.output {
        OutputFormat::Json => serde_json::to_string(&report)?,
        OutputFormat::Text => report.to_string(),
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
