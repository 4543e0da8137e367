//! All programs of the workspace in one executable, so that the end-to-end tests link once: the first argument says
//! which program the process is.

use std::ffi::OsString;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().unwrap_or_default();
    let arguments = std::iter::once(program.clone()).chain(arguments);
    match program.to_str() {
        Some("journeyd") => cluster::run(arguments),
        Some("journeyctl") => journey_cli::run(arguments),
        Some("loadtest") => loadtest::run(&[OsString::from("loadtest")], arguments),
        Some("receiver") => tests::run_receiver(arguments),
        _ => {
            eprintln!("programs: the first argument is journeyd, journeyctl, loadtest or receiver");
            ExitCode::from(2)
        }
    }
}
