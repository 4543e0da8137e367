//! Who is to be enrolled: customers named in the command, and the lines of a file.

use std::path::Path;

use anyhow::Context as _;
use journey_client::limits::EVENTS_PER_BATCH_MAX;
use journey_client::wire;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::arguments::EnrollArguments;
use crate::event_files::{BadLine, read_lines};

/// Bytes of input of one call: far below what the node takes at once.
const BATCH_INPUT_SIZE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What the reader found.
pub(super) enum Read {
    /// Customers of one call.
    Batch(Vec<wire::Enrollment>),
    /// A line that names no customer.
    Bad(BadLine),
}

/// What customers get that bring nothing of their own.
pub(super) struct Given {
    pub(super) id: String,
    input: Option<pbjson_types::Struct>,
}

impl Given {
    pub(super) fn new(arguments: &EnrollArguments) -> anyhow::Result<Self> {
        let parse = |text: &String| {
            // First as JSON alone, whose words people know.
            serde_json::from_str::<serde_json::Map<_, _>>(text)
                .and_then(|_| serde_json::from_str(text))
                .with_context(|| {
                    format!("--input {text:?} is no JSON object, such as '{{\"tier\": \"gold\"}}'")
                })
        };
        Ok(Self {
            id: arguments
                .id
                .clone()
                .unwrap_or_else(|| format!("{:016x}", rand::random::<u64>())),
            input: arguments.input.as_ref().map(parse).transpose()?,
        })
    }

    fn complete(&self, line: Line) -> wire::Enrollment {
        wire::Enrollment {
            customer_id: line.customer_id,
            id: line.id.unwrap_or_else(|| self.id.clone()),
            input: line.input.or_else(|| self.input.clone()),
        }
    }
}

/// A line of JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    customer_id: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    input: Option<pbjson_types::Struct>,
}

/// Reads everyone and sends them in batches; blocks while the receiver is behind.
pub(super) fn read_customers(
    named: Vec<String>,
    file: Option<&Path>,
    given: &Given,
    read: &mpsc::Sender<Read>,
) -> anyhow::Result<()> {
    let mut batch = Batch {
        customers: Vec::new(),
        size_bytes: 0,
        read,
    };
    for customer_id in named {
        batch.push(given.complete(plain(customer_id)))?;
    }
    if let Some(file) = file {
        read_lines(file, |number, text| {
            let parsed = text.map_err(|problem| problem.to_string()).and_then(parse);
            match parsed {
                Ok(None) => Ok(()),
                Ok(Some(line)) => batch.push(given.complete(line)),
                Err(reason) => batch.bad(BadLine {
                    file: file.to_path_buf(),
                    line: number,
                    reason,
                }),
            }
        })?;
    }
    batch.flush()
}

const fn plain(customer_id: String) -> Line {
    Line {
        customer_id,
        id: None,
        input: None,
    }
}

/// One line: JSON where it begins like it, else an id; `None` for a blank one.
fn parse(text: &str) -> Result<Option<Line>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('{') {
        let line = serde_json::from_str(text);
        return line.map(Some).map_err(|error| {
            format!("no_customer: {error}; a line is an id, or {{\"customer_id\": …, \"id\": …, \"input\": {{…}}}}")
        });
    }
    Ok(Some(plain(text.to_owned())))
}

struct Batch<'r> {
    customers: Vec<wire::Enrollment>,
    size_bytes: usize,
    read: &'r mpsc::Sender<Read>,
}

impl Batch<'_> {
    fn push(&mut self, one: wire::Enrollment) -> anyhow::Result<()> {
        let size_bytes = prost::Message::encoded_len(&one);
        if self.customers.len() >= EVENTS_PER_BATCH_MAX
            || self.size_bytes + size_bytes > BATCH_INPUT_SIZE_BYTES_MAX
        {
            self.flush()?;
        }
        self.size_bytes += size_bytes;
        self.customers.push(one);
        Ok(())
    }

    fn bad(&mut self, bad: BadLine) -> anyhow::Result<()> {
        self.flush()?;
        self.send(Read::Bad(bad))
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.size_bytes = 0;
        let customers = std::mem::take(&mut self.customers);
        if customers.is_empty() {
            return Ok(());
        }
        self.send(Read::Batch(customers))
    }

    fn send(&self, read: Read) -> anyhow::Result<()> {
        let sent = self.read.blocking_send(read);
        sent.map_err(|_| anyhow::anyhow!("nobody takes what is read any more"))
    }
}

#[cfg(test)]
mod tests;
