//! What `deadletter` and `quarantine` have in common: asking before everything is meant, and saying what was done.

use std::future::Future;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use journey_client::{ClientError, wire};

use crate::arguments::SetAsideArguments;
use crate::output::Output;

/// Things of one page of a list.
const PAGE_SIZE: u32 = 500;

/// Asks for one page after the other; `take` shows a page and names the next.
pub(crate) async fn each_page<P, F>(
    filter: wire::SetAsideFilter,
    list: impl Fn(wire::ListSetAsideRequest) -> F,
    mut take: impl FnMut(P) -> anyhow::Result<String>,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<P, ClientError>>,
{
    let mut page_token = String::new();
    loop {
        let request = wire::ListSetAsideRequest {
            filter: Some(filter.clone()),
            page_size: PAGE_SIZE,
            page_token,
        };
        page_token = take(list(request).await?)?;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

/// Calls until everything that is meant is done, and prints what was; the exit code is 1 when something was not.
pub(crate) async fn carry_out<F>(
    what: &SetAsideArguments,
    filter: Option<wire::SetAsideFilter>,
    (done, output): (&str, Output),
    call: impl Fn(wire::SetAsideRequest) -> F,
) -> anyhow::Result<ExitCode>
where
    F: Future<Output = Result<wire::SetAsideReport, ClientError>>,
{
    let mut sum = wire::SetAsideReport::default();
    loop {
        let request = wire::SetAsideRequest {
            ids: what.ids.clone(),
            filter: filter.clone(),
            dry_run: what.dry_run,
        };
        let report = call(request).await?;
        sum.matched += report.matched;
        sum.done += report.done;
        sum.results.extend(report.results);
        sum.more = report.more;
        // A call that did nothing would do nothing again.
        if !report.more || report.done == 0 {
            return show_report(&sum, what.dry_run, done, output);
        }
    }
}

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

fn show_report(
    sum: &wire::SetAsideReport,
    is_dry: bool,
    done: &str,
    output: Output,
) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        output.json(sum)?;
    } else {
        let told = sum.results.iter();
        for result in told.filter(|result| is_dry || !result.note.is_empty()) {
            let note = if result.note.is_empty() { "" } else { ": " };
            output.text(&format!("{}{note}{}", result.id, result.note))?;
        }
        let more = if sum.more { ", and there are more" } else { "" };
        output.text(&if is_dry {
            format!("{} would be {done}{more}", sum.matched)
        } else {
            format!("{} of {} {done}{more}", sum.done, sum.matched)
        })?;
    }
    Ok(if is_dry || sum.done == sum.matched {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the node holds, in a line.
pub(crate) fn held_text(what: &str, held: wire::SetAsideSum) -> String {
    let what = match held.count {
        1 => what.trim_end_matches('s'),
        _ => what,
    };
    format!(
        "{} {what} on this node, {} of {} KiB",
        held.count,
        held.size_bytes.div_ceil(1_024),
        held.size_bytes_max / 1_024
    )
}
