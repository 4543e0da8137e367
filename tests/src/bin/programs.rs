//! All programs of the workspace in one executable, so that the end-to-end tests link once: the first argument says
//! which program the process is.

use std::ffi::OsString;
use std::process::ExitCode;

use journey_customer::{Command, CustomerState, DecideContext, Decision, Rejection};

/// Names the event, or the id of the enroll call, on which deciding panics in a node of the tests, so that quarantine can
/// be seen in a real process.
const POISON: &str = "JOURNEY_TEST_POISON";

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A node whose log flushes as the file `<data-dir>.hang` says; see [`tests::HangingEngine`].
fn hanging(arguments: &[OsString]) -> cluster::Seams {
    let is_flag = |argument: &&OsString| argument.to_str() == Some("--data-dir");
    let mut after = arguments.iter().skip_while(|argument| !is_flag(argument));
    let mut file = after.nth(1).cloned().unwrap_or_default();
    file.push(".hang");
    let file = std::path::PathBuf::from(file);
    cluster::Seams {
        log_engine: Some(std::sync::Arc::new(move |engine| {
            std::sync::Arc::new(tests::HangingEngine::new(engine, file.clone()))
        })),
        ..cluster::Seams::default()
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().unwrap_or_default();
    let arguments = std::iter::once(program.clone()).chain(arguments);
    match program.to_str() {
        Some("journeyd") if std::env::var_os(POISON).is_some() => {
            let seams = cluster::Seams {
                decide: Some(decide_or_panic),
                ..cluster::Seams::default()
            };
            cluster::run_with(arguments, &seams)
        }
        Some("journeyd") => {
            let seams = cluster::Seams {
                leading: vec![program],
                ..cluster::Seams::default()
            };
            cluster::run_with(arguments, &seams)
        }
        Some("journeyd-hanging") => {
            let arguments: Vec<OsString> = arguments.collect();
            let seams = hanging(&arguments);
            cluster::run_with(arguments, &seams)
        }
        Some("journeyctl") => journey_cli::run(arguments),
        Some("loadtest") => loadtest::run(&[OsString::from("loadtest")], arguments),
        Some("receiver") => tests::run_receiver(arguments),
        _ => {
            eprintln!("programs: the first argument is journeyd, journeyctl, loadtest or receiver");
            ExitCode::from(2)
        }
    }
}

/// The law, with a fault around it.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by the environment"
)]
fn decide_or_panic(
    state: &CustomerState,
    command: &Command,
    context: &DecideContext<'_>,
) -> Result<Decision, Rejection> {
    let name = match command {
        Command::Ingest { event, .. } => event.name.as_str(),
        Command::Enroll(enrollment) => enrollment.id.as_str(),
        _ => "",
    };
    let is_poison = std::env::var(POISON).is_ok_and(|poison| poison == name);
    assert!(!is_poison, "poisoned by the test");
    journey_customer::decide(state, command, context)
}
