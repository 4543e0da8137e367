//! `journeyctl`: the command line of authors, services and operators.

use std::process::ExitCode;

fn main() -> ExitCode {
    journey_cli::run(std::env::args_os())
}
