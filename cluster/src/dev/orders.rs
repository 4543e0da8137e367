//! What can be typed while the cluster runs.

use std::io::BufRead as _;

use anyhow::Context as _;
use tokio::sync::mpsc;

/// Lines that wait; whoever types more waits.
const LINES_QUEUED_MAX: usize = 8;

/// What is to be done with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Start it again.
    Start,
    /// Let it end in order.
    Stop,
    /// `kill -9`.
    Kill,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) verb: Verb,
    /// The node, such as `n2`.
    pub(super) name: String,
}

/// Reads a line; an empty one is no order.
pub(super) fn parse(line: &str) -> Result<Option<Order>, String> {
    let usage = "type `start n2`, `stop n2` (in order) or `kill n2` (kill -9); Ctrl-C stops all";
    let words: Vec<&str> = line.split_whitespace().collect();
    let (verb, name) = match words.as_slice() {
        [] => return Ok(None),
        ["start", name] => (Verb::Start, *name),
        ["stop", name] => (Verb::Stop, *name),
        ["kill", name] => (Verb::Kill, *name),
        _ => return Err(usage.to_owned()),
    };
    let name = name.to_owned();
    Ok(Some(Order { verb, name }))
}

/// Lines of standard input, from a thread that nothing waits for: a read of a terminal cannot be given up.
pub(super) fn read_from_stdin() -> anyhow::Result<mpsc::Receiver<String>> {
    let (sender, lines) = mpsc::channel(LINES_QUEUED_MAX);
    std::thread::Builder::new()
        .name("orders".to_owned())
        .spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        })
        .context("starting the thread that reads what is typed")?;
    Ok(lines)
}

#[cfg(test)]
mod tests;
