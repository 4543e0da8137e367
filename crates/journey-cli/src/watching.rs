//! What is shown once, or again and again with `--watch`.

use std::future::Future;
use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::Value;

use crate::arguments::WatchArguments;
use crate::output::Output;

/// Clears the terminal and moves to its top left.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Something to show, for people and for programs.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// Shows what a look finds; with `--watch` until the process is ended, one failed look notwithstanding.
pub(crate) async fn show<F>(
    watch: &WatchArguments,
    output: Output,
    look: impl Fn() -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Page>>,
{
    if !watch.watch {
        return print(&look().await?, output);
    }
    let pause = Duration::from_secs(u64::from(watch.interval));
    let redraws = !output.is_json() && std::io::stdout().is_terminal();
    loop {
        let seen = look().await;
        if redraws {
            let now = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
            output.text(&format!("{CLEAR}every {} s, now {now}\n", watch.interval))?;
        }
        match seen {
            Ok(page) => print(&page, output)?,
            Err(error) => eprintln!("journeyctl: {error:#}"),
        }
        if !redraws && !output.is_json() {
            output.text("\n")?;
        }
        tokio::time::sleep(pause).await;
    }
}

fn print(page: &Page, output: Output) -> anyhow::Result<()> {
    if output.is_json() {
        output.json(&page.json)
    } else {
        output.text(&page.text)
    }
}
