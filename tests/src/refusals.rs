//! Tables of bad inputs and faults with the answer to each: files that people read, and that a test holds true.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

/// Set to anything, it writes the files instead of comparing them; what changed is then seen in the diff.
const WRITE: &str = "UPDATE_REFUSALS";
/// What no answer may hold: crashes, and a transport's words that say a cause twice.
const UNWANTED: [&str; 5] = [
    "panicked",
    "RUST_BACKTRACE",
    "transport error",
    "tcp connect error",
    "called `",
];

/// One table, kept as `tests/refusals/<name>.md`.
#[derive(Debug)]
pub struct Refusals {
    name: &'static str,
    text: String,
    is_open: bool,
    replaced: Vec<(String, &'static str)>,
}

impl Refusals {
    /// An empty table with its title and a sentence of what is in it.
    #[must_use]
    pub fn new(name: &'static str, title: &str, about: &str) -> Self {
        Self {
            name,
            text: format!("# {title}\n\n{about}\n"),
            is_open: false,
            replaced: Vec::new(),
        }
    }

    /// What differs from run to run is shown as `shown`: folders, addresses.
    pub fn replace(&mut self, text: &str, shown: &'static str) {
        self.replaced.push((text.to_owned(), shown));
    }

    /// A heading above the rows that follow.
    pub fn section(&mut self, title: &str) {
        self.close();
        self.text.push_str(&format!("\n## {title}\n"));
    }

    /// One input and the answer to it.
    ///
    /// # Errors
    /// When the answer is none, or no answer for a person.
    pub fn row(&mut self, input: &str, answer: &str) -> anyhow::Result<()> {
        let answer = answer.trim_end();
        anyhow::ensure!(!answer.is_empty(), "no answer to {input}");
        for unwanted in UNWANTED {
            anyhow::ensure!(
                !answer.contains(unwanted),
                "{unwanted:?} in the answer to {input}:\n{answer}"
            );
        }
        let n_told = answer.matches("os error").count();
        anyhow::ensure!(n_told <= 1, "told twice for {input}:\n{answer}");
        if self.is_open {
            self.text.push('\n');
        } else {
            self.text.push_str("\n```text\n");
            self.is_open = true;
        }
        let (input, answer) = (self.shown(input), self.shown(answer));
        writeln!(self.text, "> {}", input.trim_end().replace('\n', "\n> "))?;
        writeln!(self.text, "{answer}")?;
        Ok(())
    }

    /// The row of a command line: its arguments, its exit code, what it said on standard error.
    ///
    /// # Errors
    /// As [`Self::row`], and when the command did not fail.
    pub fn command(&mut self, typed: &str, code: i32, stderr: &str) -> anyhow::Result<()> {
        anyhow::ensure!(matches!(code, 1 | 2 | 10), "exit code {code} for {typed}");
        let said = stderr.replace("For more information, try '--help'.\n", "");
        let said: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
        self.row(typed, &format!("{}\n[exit code {code}]", said.join("\n")))
    }

    /// Compares the table with its file.
    ///
    /// # Errors
    /// When they differ: the first line that does, and how the file is written anew.
    pub fn hold(mut self) -> anyhow::Result<()> {
        self.close();
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("refusals")
            .join(format!("{}.md", self.name));
        if std::env::var_os(WRITE).is_some() {
            return std::fs::write(&path, &self.text)
                .with_context(|| format!("writing {}", path.display()));
        }
        let kept = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}; {WRITE}=1 writes it", path.display()))?;
        let mut lines = (1..).zip(self.text.lines().zip(kept.lines()));
        if let Some((number, (now, kept))) = lines.find(|(_, (now, kept))| now != kept) {
            anyhow::bail!(
                "{}:{number} says\n  {kept}\nand now it is\n  {now}\nif that is meant, {WRITE}=1 writes the file",
                path.display()
            );
        }
        anyhow::ensure!(
            kept.len() == self.text.len(),
            "{} has more or fewer rows than there are cases; {WRITE}=1 writes it",
            path.display()
        );
        Ok(())
    }

    fn close(&mut self) {
        if self.is_open {
            self.text.push_str("```\n");
            self.is_open = false;
        }
    }

    fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.replaced {
            text = text.replace(from, to);
        }
        text
    }
}
