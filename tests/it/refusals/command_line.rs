//! What is typed wrong, and what cannot be read.

use tests::{Ctl, Refusals};

use super::typed;
use crate::world::{programs, write_file};

/// `FOLDER` is the test's; nobody listens at `http://127.0.0.1:1`.
const USAGE: &[&[&str]] = &[
    &[],
    &["ingets"],
    &["journey"],
    &["journey", "check"],
    &["journey", "publish"],
    &["journey", "show"],
    &["journey", "show", "hello", "--version", "x"],
    &["journey", "enroll", "hello"],
    &["journey", "launch", "hello"],
    &["customer", "show"],
    &["customer", "shwo", "ann"],
    &["cluster", "health", "--watch", "--exit-when-healthy"],
    &["cluster", "status", "--interval", "5"],
    &["cluster", "status", "--watch", "--interval", "0"],
    &["node", "drain"],
    &["node", "drain", "n1"],
    &["partition", "describe", "first"],
    &["partition", "transfer-leader", "0"],
    &["deadletter", "read"],
    &["quarantine", "release"],
    &["ingest"],
    &["ingest", "--batch", "0", "events.jsonl"],
    &["ingest", "--batch", "2000", "events.jsonl"],
    &["worker", "--credit", "0"],
    &["worker", "--limit", "all"],
    &["worker", "--limit", "0"],
    &["worker", "--fail", "later"],
    &["simulate", "--events", "events.jsonl"],
    &["simulate", "--journeys", "hello.yaml"],
    &["-o", "xml", "journey", "list"],
];

const ARGUMENTS: &[&[&str]] = &[
    &[
        "journey",
        "enroll",
        "hello",
        "--customer",
        "ann",
        "--input",
        "{",
    ],
    &[
        "journey",
        "enroll",
        "hello",
        "--customer",
        "ann",
        "--input",
        "[1]",
    ],
    &["worker", "--answer", "{"],
    &["--workspace", "", "ingest", "/dev/null"],
    &[
        "--workspace",
        "",
        "simulate",
        "--journeys",
        "FOLDER/hello.yaml",
        "--events",
        "/dev/null",
    ],
    &[
        "simulate",
        "--journeys",
        "FOLDER/hello.yaml",
        "--events",
        "/dev/null",
        "--until",
        "tomorrow",
    ],
    &["ingest", "-", "-"],
];

const FILES: &[&[&str]] = &[
    &["journey", "check", "/none.yaml"],
    &["journey", "check", "FOLDER/empty"],
    &["journey", "check", "FOLDER/hello.yaml/a.yaml"],
    &["journey", "test", "/none.yaml"],
    &["journey", "test", "FOLDER/bad.yaml"],
    &["journey", "publish", "/none.yaml"],
    &["journey", "publish", "FOLDER/bad.yaml"],
    &["journey", "enroll", "hello", "--ids", "/none"],
    &["journey", "enroll", "hello", "--ids", "FOLDER/empty"],
    &["customer", "export", "--ids", "/none"],
    &[
        "simulate",
        "--journeys",
        "FOLDER/bad.yaml",
        "--events",
        "/dev/null",
    ],
    &[
        "simulate",
        "--journeys",
        "FOLDER/hello.yaml",
        "--events",
        "/none.jsonl",
    ],
    &["ingest", "/none.jsonl"],
    &["ingest", "FOLDER/empty"],
    &["ingest", "FOLDER/hello.yaml/events"],
    &["ingest", "/dev/null", "--map", "/none.yaml"],
    &["ingest", "/dev/null", "--map", "FOLDER/empty"],
    &["ingest", "/dev/null", "--map", "FOLDER/hello.yaml"],
    &["ingest", "/dev/null", "--map", "FOLDER/map.yaml"],
];

const NOBODY: &[&[&str]] = &[
    &["journey", "list"],
    &["journey", "check", "--online", "FOLDER/hello.yaml"],
    &["customer", "show", "ann"],
    &["worker"],
    &["ingest", "/dev/null"],
    &["deadletter", "list"],
    &["cluster", "status"],
    &["cluster", "health"],
    &["node", "list"],
    &["partition", "list"],
];

/// Addresses that are none, and where nobody is.
const ADDRESSES: &[&str] = &[
    "a b",
    "localhost",
    "http://127.0.0.1:99999",
    "https://127.0.0.1:7701",
    "ftp://x:1",
    "",
    ",",
    "127.0.0.1:1,127.0.0.1:2",
];

const BAD: &str = "journey: hello\nentry: [ { event: a } ]\nsteps: { s: { delay: 5 parsecs } }\n";
const HELLO: &str = "journey: hello\nentry: [ { event: a } ]\nsteps: { s: { delay: 1d } }\n";
const MAP: &str = "map: m\ncolumns: [a]\n";

#[test]
fn every_misuse_of_journeyctl_has_its_answer_in_the_table() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().display().to_string();
    std::fs::create_dir(folder.path().join("empty"))?;
    write_file(folder.path(), "bad.yaml", BAD)?;
    write_file(folder.path(), "hello.yaml", HELLO)?;
    write_file(folder.path(), "map.yaml", MAP)?;
    let mut table = Refusals::new(
        "command-line",
        "The command line",
        "What `journeyctl` says on standard error to what is typed wrong, cannot be read, or finds nobody. Exit codes: 1 the command \
         failed, 2 wrong usage, 10 not healthy. `FOLDER/bad.yaml` holds a mistake, `FOLDER/map.yaml` half a map, nobody listens at the \
         ports 1 and 2.",
    );
    table.replace(&place, "FOLDER");
    let ctl = Ctl::new(&programs(), "http://127.0.0.1:1");
    let sections = [
        ("Usage", USAGE),
        ("Arguments", ARGUMENTS),
        ("Files", FILES),
        ("Nobody answers", NOBODY),
    ];
    for (title, cases) in sections {
        table.section(title);
        for arguments in cases {
            let placed: Vec<String> = arguments
                .iter()
                .map(|argument| argument.replace("FOLDER", &place))
                .collect();
            let placed: Vec<&str> = placed.iter().map(String::as_str).collect();
            let output = ctl.run(&placed)?;
            let said = if output.stderr.is_empty() {
                &output.stdout
            } else {
                &output.stderr
            };
            table.command(&typed("journeyctl", arguments), output.code, said)?;
        }
    }
    table.section("Addresses");
    for address in ADDRESSES {
        let output = Ctl::new(&programs(), address).run(&["journey", "list"])?;
        let typed = typed("journeyctl", &["--address", address, "journey", "list"]);
        table.command(&typed, output.code, &output.stderr)?;
    }
    table.hold()
}

/// The words of the system's resolver differ, so this one is no row.
#[test]
fn a_host_that_does_not_resolve_is_named_with_the_reason() -> anyhow::Result<()> {
    let address = "http://no-such-host.invalid:7701";
    let said = Ctl::new(&programs(), address)
        .run(&["journey", "list"])?
        .stderr;
    let expected =
        format!("no journeyd answers at {address}: failed to lookup address information");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(said.matches("lookup").count(), 1, "told twice: {said}");
    Ok(())
}
