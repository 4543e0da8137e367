//! From arguments to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::output::Output;
use crate::{
    cluster, customer, deadletter, ingest, journey, node, partition, quarantine, simulate, worker,
};

/// Parses the arguments (the first is the program's name), carries the command out, and says how it went.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap writes help to standard output and mistakes to standard error.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() {
                ExitCode::from(code)
            } else {
                ExitCode::FAILURE
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("journeyctl: cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(carry_out(arguments)) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("journeyctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let output = Output::new(arguments.output);
    let address = arguments.address.as_str();
    let workspace = arguments.workspace.as_str();
    match arguments.command {
        Command::Journey(command) => journey::run(command, address, workspace, &output).await,
        Command::Ingest(command) => ingest::run(command, address, workspace, &output).await,
        Command::Customer(command) => customer::run(command, address, workspace, &output).await,
        Command::Cluster(command) => cluster::run(command, address, &output).await,
        Command::Node(command) => node::run(command, address, &output).await,
        Command::Partition(command) => partition::run(command, address, &output).await,
        Command::Deadletter(command) => deadletter::run(command, address, workspace, &output).await,
        Command::Quarantine(command) => quarantine::run(command, address, workspace, &output).await,
        Command::Worker(command) => worker::run(command, address, workspace, &output).await,
        Command::Simulate(command) => simulate::run(&command, workspace, &output),
    }
}

/// Whoever reads our output went away (`| head`): that is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
