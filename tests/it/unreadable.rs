//! Files that are there and cannot be read: each program says which, and why, and what it was doing.
//!
//! Whoever runs the tests as root may read everything, so the permission cases run as another user then.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::world::{programs, write_file};

/// `nobody`, on every Linux.
const ANOTHER_USER: u32 = 65_534;

/// Arguments of a program, `{}` for the test's folder, and what standard error must hold.
type Case = (&'static [&'static str], &'static [&'static str]);

/// In the folder: `shut.yaml` and `shut/`, which nobody else may read.
const FORBIDDEN: &[Case] = &[
    (
        &["journeyctl", "journey", "check", "{}/shut.yaml"],
        &["reading {}/shut.yaml: Permission denied"],
    ),
    (
        &["journeyctl", "journey", "check", "{}/shut/a.yaml"],
        &["reading {}/shut/a.yaml: Permission denied"],
    ),
    (
        &["journeyctl", "journey", "check", "{}/shut"],
        &["listing {}/shut: Permission denied"],
    ),
    (
        &["journeyctl", "ingest", "{}/shut.yaml"],
        &["opening {}/shut.yaml: Permission denied"],
    ),
    (
        &["journeyctl", "ingest", "/dev/null", "--map", "{}/shut.yaml"],
        &["reading the map {}/shut.yaml: Permission denied"],
    ),
    (
        &[
            "journeyctl",
            "simulate",
            "--journeys",
            "{}/shut.yaml",
            "--events",
            "/dev/null",
        ],
        &["reading {}/shut.yaml: Permission denied"],
    ),
    (
        &["journeyd", "start", "--config", "{}/shut.yaml"],
        &["cannot read the configuration file {}/shut.yaml: Permission denied"],
    ),
    (
        &[
            "journeyd",
            "start",
            "--config",
            "{}/open.toml",
            "--data-dir",
            "{}/shut/data",
        ],
        &["creating the folder {}/shut/data: Permission denied"],
    ),
    (
        &[
            "journeyd",
            "start",
            "--config",
            "{}/secret.toml",
            "--data-dir",
            "{}/mine",
        ],
        &["secret-file", "{}/shut.yaml", "Permission denied"],
    ),
];

/// What nobody can read, root neither.
const IMPOSSIBLE: &[Case] = &[
    (
        &["journeyctl", "journey", "check", "{}/open.toml/a.yaml"],
        &["reading {}/open.toml/a.yaml: Not a directory"],
    ),
    (
        &["journeyctl", "ingest", "{}/open.toml/a"],
        &["opening {}/open.toml/a: Not a directory"],
    ),
    (
        &["journeyctl", "ingest", "{}/mine"],
        &["{}/mine is a folder; name the files in it"],
    ),
    (
        &["journeyctl", "ingest", "/dev/null", "--map", "{}/mine"],
        &["reading the map {}/mine: Is a directory"],
    ),
    (
        &["journeyctl", "journey", "check", "{}/binary.yaml"],
        &["reading {}/binary.yaml: stream did not contain valid UTF-8"],
    ),
    (
        &["journeyd", "start", "--config", "{}/mine"],
        &["cannot read the configuration file {}/mine: Is a directory"],
    ),
    (
        &["journeyd", "start", "--config", "{}/none.toml"],
        &["cannot read the configuration file {}/none.toml: No such file"],
    ),
    (
        &["journeyd", "start", "--data-dir", "{}/open.toml"],
        &["creating the folder {}/open.toml: File exists"],
    ),
    (
        &["journeyd", "start", "--listen", "localhost"],
        &[
            "invalid value 'localhost' for '--listen",
            "write an IP address and a port, such as 127.0.0.1:7701",
        ],
    ),
];

fn folder() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    std::fs::create_dir(path.join("shut"))?;
    std::fs::create_dir(path.join("mine"))?;
    let inside = write_file(path, "shut/a.yaml", "journey: a\n")?;
    let shut = write_file(path, "shut.yaml", "journey: a\n")?;
    write_file(path, "open.toml", "")?;
    std::fs::write(path.join("binary.yaml"), [0xc3, 0x28])?;
    let connector = "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://example.com/\"\nchannels = [\"push\"]\n";
    write_file(
        path,
        "secret.toml",
        &format!("{connector}secret-file = \"{shut}\"\n"),
    )?;
    for (path, mode) in [
        (path, 0o755),
        (&path.join("mine"), 0o777),
        (Path::new(&inside), 0o000),
        (Path::new(&shut), 0o000),
        (&path.join("shut"), 0o000),
    ] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(folder)
}

/// Runs a program to its end, as another user where this one may read everything; `None` where it cannot be.
fn run(folder: &Path, arguments: &[&str], as_another: bool) -> anyhow::Result<Option<Output>> {
    let (program, arguments) = arguments.split_first().unwrap_or((&"", &[]));
    let place = folder.display().to_string();
    let mut command = programs().command(program);
    command
        .args(
            arguments
                .iter()
                .map(|argument| argument.replace("{}", &place)),
        )
        .env("JOURNEYCTL_ADDRESS", "http://127.0.0.1:1")
        .current_dir("/")
        .stdin(Stdio::null());
    if as_another {
        command.uid(ANOTHER_USER).gid(ANOTHER_USER);
    }
    match command.output() {
        Err(error) if as_another && error.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("skipped: another user may not run the programs under test ({error})");
            Ok(None)
        }
        output => Ok(Some(output?)),
    }
}

fn expect(folder: &Path, cases: &[Case], as_another: bool) -> anyhow::Result<()> {
    let place = folder.display().to_string();
    for (arguments, expected) in cases {
        let Some(output) = run(folder, arguments, as_another)? else {
            return Ok(());
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{arguments:?}: {output:?}"
        );
        for part in *expected {
            let part = part.replace("{}", &place);
            assert!(
                said.contains(&part),
                "{part:?} is missing for {arguments:?} in\n{said}"
            );
        }
        assert!(said.matches("os error").count() <= 1, "told twice: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    Ok(())
}

#[test]
fn a_file_without_read_permission_is_named_with_the_reason() -> anyhow::Result<()> {
    let folder = folder()?;
    let is_root = std::fs::metadata(folder.path())?.uid() == 0;
    expect(folder.path(), FORBIDDEN, is_root)
}

#[test]
fn what_is_no_readable_file_is_named_with_the_reason() -> anyhow::Result<()> {
    expect(folder()?.path(), IMPOSSIBLE, false)
}

/// A pipe whose writer is gone is an empty file, as a shell's `<( … )` makes one.
#[test]
fn a_pipe_is_read_as_a_file() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status()?;
    anyhow::ensure!(made.success(), "no pipe was made");
    let write = |text: &'static str| {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::write(pipe, text))
    };
    let ctl = tests::Ctl::new(&programs(), "http://127.0.0.1:1");
    let path = pipe.display().to_string();
    let writer = write("journey: a\nentry: [ { event: e } ]\nsteps: { s: { delay: 1d } }\n");
    let checked = ctl.run(&["journey", "check", &path])?;
    assert!(writer.join().is_ok_and(|written| written.is_ok()));
    assert!(
        checked.stdout.contains("1 journey: 0 errors"),
        "{checked:?}"
    );
    let writer = write("");
    let checked = ctl.run(&["journey", "check", &path])?;
    assert!(writer.join().is_ok_and(|written| written.is_ok()));
    assert_eq!(checked.code, 1);
    assert!(
        checked.stdout.contains("there is no document in this file"),
        "{checked:?}"
    );
    Ok(())
}
