//! From arguments to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use toml::Value;

use crate::arguments::{Arguments, Command};
use crate::config::{Config, Layers, load};
use crate::seams::Seams;
use crate::{demo, dev, logging, start};

/// Threads of the node's main runtime (partitions and everything small); the API and Raft have their own.
const WORKER_THREADS_MIN: usize = 2;

/// Parses the arguments (the first is the program's name), runs the command, and says how it went: 0 fine, 1 failed,
/// 2 wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_with(arguments, &Seams::default())
}

/// The same with what a test puts between the parts of the node.
pub fn run_with(arguments: impl IntoIterator<Item = OsString>, seams: &Seams) -> ExitCode {
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
    match carry_out(arguments, seams) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("journeyd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: Arguments, seams: &Seams) -> anyhow::Result<()> {
    let environment = std::env::vars_os().collect();
    match arguments.command {
        Command::Start(arguments) => {
            let layers = Layers {
                file: arguments.config.clone(),
                environment,
                flags: arguments.flags(),
            };
            let config = load(layers)?;
            logging::start(&config.log);
            runtime()?.block_on(start::run(&config, seams, arguments.stop_with_stdin))
        }
        Command::Demo(arguments) => {
            let mut flags = vec![("log.level", Value::String("warn".to_owned()))];
            flags.extend(arguments.common.flags());
            let config: Config = load(Layers {
                file: None,
                environment,
                flags,
            })?;
            logging::start(&config.log);
            runtime()?.block_on(demo::run(&arguments, &config))
        }
        Command::Dev(arguments) => runtime()?.block_on(dev::run(&arguments, &seams.leading)),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let n_threads = std::thread::available_parallelism().map_or(WORKER_THREADS_MIN, usize::from);
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(n_threads.max(WORKER_THREADS_MIN))
        .thread_name("journeyd")
        .enable_all()
        .build()?)
}
