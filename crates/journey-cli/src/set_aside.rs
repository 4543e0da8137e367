//! What `deadletter` and `quarantine` have in common: asking before everything is meant, and saying what was done.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use journey_client::wire;

use crate::arguments::SetAsideArguments;
use crate::output::Output;

/// Things of one page of a list.
pub(crate) const PAGE_SIZE: u32 = 500;

/// Answers whether a filter is meant rather than ids. Everything at once takes `--yes`, `--dry-run`, or a yes typed.
pub(crate) fn confirm(
    what: &SetAsideArguments,
    is_everything: bool,
    verb: &str,
) -> anyhow::Result<bool> {
    if !what.ids.is_empty() {
        anyhow::ensure!(is_everything, "give either ids or a filter");
        return Ok(false);
    }
    if !is_everything || what.dry_run || what.yes {
        return Ok(true);
    }
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "this would {verb} everything of the workspace; say so with --yes, or see first with --dry-run"
    );
    eprint!("{verb} everything of the workspace? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim().eq_ignore_ascii_case("y"), "nothing was done");
    Ok(true)
}

/// Prints what was done; the exit code is 1 when something was not.
pub(crate) fn show_report(
    reports: Vec<wire::SetAsideReport>,
    what: &SetAsideArguments,
    done: &str,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let sum = reports
        .into_iter()
        .reduce(|mut sum, report| {
            sum.matched += report.matched;
            sum.done += report.done;
            sum.results.extend(report.results);
            sum.more = report.more;
            sum
        })
        .unwrap_or_default();
    let is_whole = what.dry_run || sum.done == sum.matched;
    if output.is_json() {
        output.json(&sum)?;
    } else {
        let told = sum.results.iter();
        for result in told.filter(|result| what.dry_run || !result.note.is_empty()) {
            let note = if result.note.is_empty() { "" } else { ": " };
            output.text(&format!("{}{note}{}", result.id, result.note))?;
        }
        let more = if sum.more { ", and there are more" } else { "" };
        output.text(&if what.dry_run {
            format!("{} would be {done}{more}", sum.matched)
        } else {
            format!("{} of {} {done}{more}", sum.done, sum.matched)
        })?;
    }
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the node holds, in a line.
pub(crate) fn held_text(what: &str, held: wire::SetAsideSum) -> String {
    format!(
        "{} {what} on this node, {} of {} KiB",
        held.count,
        held.size_bytes.div_ceil(1_024),
        held.size_bytes_max / 1_024
    )
}
