//! Why a node does not start: what others hold, and what is not its own.

use tests::Refusals;

use super::{last_words, start, typed};
use crate::world::World;

#[tokio::test]
async fn every_start_that_fails_has_its_answer_in_the_table() -> anyhow::Result<()> {
    let world = World::start().await?;
    let folder = world.folder.path();
    let place = folder.display().to_string();
    let (api, http) = (
        world
            .node
            .address()
            .trim_start_matches("http://")
            .to_owned(),
        world.node.http().to_owned(),
    );
    let mut founded = World::start().await?;
    anyhow::ensure!(founded.node.terminate()?.success());
    let stopped = tempfile::tempdir()?;
    let data = stopped.path().join("founded");
    std::fs::rename(founded.folder.path().join("data"), &data)?;
    let data = data.display().to_string();
    let free = ["--listen", "127.0.0.1:0", "--http-listen", ""];
    std::fs::write(stopped.path().join("file"), "")?;
    let others = stopped.path().display().to_string();

    let mut table = Refusals::new(
        "starts",
        "Starts that fail",
        "What `journeyd start` says when it cannot have what it needs, each time with exit code 1. A node runs at `API` and `HTTP` with \
         its data in `FOLDER/data`; `FOLDER/founded` holds another node that is stopped, `FOLDER/file` is a file.",
    );
    table.replace(&api, "API");
    table.replace(&http, "HTTP");
    table.replace(&place, "FOLDER");
    table.replace(&others, "FOLDER");
    let used = format!("{place}/data");
    let (file, below) = (format!("{others}/file"), format!("{others}/file/data"));
    let new = format!("{others}/new");
    let loopback = ["--listen", "127.0.0.1:0"];
    let no_http = ["--http-listen", ""];
    let cases: Vec<Vec<&str>> = vec![
        [&["--listen", &api, "--data-dir", &new], &no_http[..]].concat(),
        [&["--http-listen", &http, "--data-dir", &new], &loopback[..]].concat(),
        [&["--peer-listen", &api, "--data-dir", &new], &free[..]].concat(),
        [
            &[
                "--listen",
                "192.0.2.1:7701",
                "--insecure-listen",
                "--data-dir",
                &new,
            ],
            &no_http[..],
        ]
        .concat(),
        [&["--data-dir", &used], &free[..]].concat(),
        [&["--data-dir", &file], &free[..]].concat(),
        [&["--data-dir", &below], &free[..]].concat(),
        [
            &["--data-dir", &data, "--cluster-id", "00000000c0ffee01"],
            &free[..],
        ]
        .concat(),
    ];
    for arguments in &cases {
        let output = start(stopped.path(), arguments, &[])?;
        let code = output.status.code().unwrap_or(-1);
        table.command(
            &typed("journeyd start", arguments),
            code,
            &in_general(&last_words(&output)),
        )?;
    }
    // No refusal, but an end that says why: what was to hold its standard input open does not.
    let tied = [&["--stop-with-stdin", "--data-dir", &new], &free[..]].concat();
    let output = start(stopped.path(), &tied, &[])?;
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("standard input has closed"), "{log}");
    table.hold()
}

/// The process that holds a folder, and a cluster's own id, are other ones each time.
fn in_general(text: &str) -> String {
    let mut general = String::new();
    let mut rest = text;
    for (before, shown) in [("process id ", "PID"), ("this is cluster ", "ID")] {
        let Some((head, tail)) = rest.split_once(before) else {
            continue;
        };
        let end = tail
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(tail.len());
        general.push_str(head);
        general.push_str(before);
        general.push_str(if end > 0 { shown } else { "" });
        rest = &tail[end..];
    }
    general + rest
}
