//! `journeyctl journey enroll`: customers by name or out of a file into a journey, each answered for itself.

mod customers;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use journey_client::wire::enroll_result::Status;
use journey_client::{Client, wire};
use serde_json::json;
use tokio::sync::mpsc;

use crate::arguments::EnrollArguments;
use crate::event_files::ensure_readable;
use crate::output::Output;

use customers::{Given, Read, read_customers};

/// Batches read ahead of the connection.
const READ_AHEAD_MAX: usize = 4;
/// Customers that are shown one by one; of more only those that did not enter, and the sums.
const SHOWN_MAX: u64 = 20;
/// Times a customer is sent again while the node asks for it.
const RETRIES_MAX: u32 = 30;
/// Pause before customers are sent again, where the node names none.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(
    arguments: EnrollArguments,
    address: &str,
    workspace: &str,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let given = Given::new(&arguments)?;
    if let Some(file) = &arguments.ids {
        ensure_readable(std::slice::from_ref(file))?;
    }
    let client = Client::connect(address).await?;
    let mut enrolling = Enrolling {
        client,
        workspace: workspace.to_owned(),
        journey: arguments.journey,
        output,
        sums: Sums::default(),
        rows: Vec::new(),
    };
    let id = given.id.clone();
    let (read, mut batches) = mpsc::channel(READ_AHEAD_MAX);
    let (named, file) = (arguments.customers, arguments.ids);
    let reader =
        tokio::task::spawn_blocking(move || read_customers(named, file.as_deref(), &given, &read));
    while let Some(batch) = batches.recv().await {
        match batch {
            Read::Bad(bad) => enrolling.sums.reject(bad.code(), &bad.to_string()),
            Read::Batch(customers) => {
                let sent = enrolling.send(customers).await;
                sent.with_context(|| {
                    format!(
                        "those answered so far are in; go on by the same command with --id {id}"
                    )
                })?;
            }
        }
    }
    reader.await.context("the reader of the file failed")??;
    enrolling.report(&id)
}

/// An enroll command under way.
struct Enrolling {
    client: Client,
    workspace: String,
    journey: String,
    output: Output,
    sums: Sums,
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Default)]
struct Sums {
    n_entered: u64,
    n_queued: u64,
    n_duplicate: u64,
    n_rejected: u64,
    reasons: BTreeMap<String, u64>,
}

impl Sums {
    const fn n_all(&self) -> u64 {
        self.n_entered + self.n_queued + self.n_duplicate + self.n_rejected
    }

    fn reject(&mut self, reason: &str, what: &str) {
        self.n_rejected += 1;
        if self.n_rejected <= SHOWN_MAX {
            eprintln!("journeyctl: {what}");
        } else if self.n_rejected == SHOWN_MAX + 1 {
            eprintln!("journeyctl: more are counted, not printed");
        }
        *self.reasons.entry(reason.to_owned()).or_insert(0) += 1;
    }
}

impl Enrolling {
    /// Sends customers until each has an answer that stands.
    async fn send(&mut self, mut customers: Vec<wire::Enrollment>) -> anyhow::Result<()> {
        for n_tries in 0.. {
            let request = wire::EnrollRequest {
                workspace: self.workspace.clone(),
                journey: self.journey.clone(),
                customers: customers.clone(),
            };
            let mut pause = RETRY_PAUSE;
            let mut last = String::new();
            match self.client.enroll(request).await {
                Ok(response) => {
                    let mut again = Vec::new();
                    for (customer, result) in customers.into_iter().zip(&response.results) {
                        if result.status() == Status::Refused {
                            pause = pause.max(Duration::from_millis(result.retry_after_ms.into()));
                            last.clone_from(&result.message);
                            again.push(customer);
                        } else {
                            self.answered(&customer, result)?;
                        }
                    }
                    customers = again;
                }
                // Also when nothing is known of what it did: the ids are the same.
                Err(error) if error.is_retryable() => last = error.to_string(),
                Err(error) => return Err(error.into()),
            }
            if customers.is_empty() {
                return Ok(());
            }
            anyhow::ensure!(
                n_tries < RETRIES_MAX,
                "{} customers were refused {RETRIES_MAX} times, the last time because: {last}",
                customers.len()
            );
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn answered(
        &mut self,
        customer: &wire::Enrollment,
        result: &wire::EnrollResult,
    ) -> anyhow::Result<()> {
        let status = status_name(result.status());
        match result.status() {
            Status::Entered => self.sums.n_entered += 1,
            Status::Queued => self.sums.n_queued += 1,
            Status::Duplicate => self.sums.n_duplicate += 1,
            Status::Rejected | Status::Refused | Status::Unspecified => {
                let what = format!(
                    "{}: {}: {}",
                    customer.customer_id, result.reason, result.message
                );
                self.sums.reject(&result.reason, &what);
            }
        }
        if self.output.is_json() {
            return self.output.json(&json!({
                "customer_id": customer.customer_id,
                "id": customer.id,
                "status": status,
                "instance": result.instance,
                "reason": result.reason,
                "message": result.message,
                "quarantine_id": result.quarantine_id,
            }));
        }
        if self.sums.n_all() <= SHOWN_MAX {
            let instance = match result.instance {
                0 => String::new(),
                number => format!("#{number}"),
            };
            self.rows.push(vec![
                customer.customer_id.clone(),
                status.to_owned(),
                instance,
                result.reason.clone(),
            ]);
        }
        Ok(())
    }

    fn report(self, id: &str) -> anyhow::Result<ExitCode> {
        let sums = &self.sums;
        if !self.output.is_json() {
            if sums.n_all() <= SHOWN_MAX && !self.rows.is_empty() {
                self.output
                    .table(&["customer", "result", "instance", "reason"], self.rows)?;
            }
            self.output.text(&format!(
                "{} of {} customers entered {}, {} wait for a place, {} duplicate, {} rejected; id {id}",
                sums.n_entered,
                sums.n_all(),
                self.journey,
                sums.n_queued,
                sums.n_duplicate,
                sums.n_rejected,
            ))?;
            for (reason, count) in &sums.reasons {
                self.output.text(&format!("  {count} {reason}"))?;
            }
        }
        Ok(if sums.n_rejected == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Entered => "entered",
        Status::Queued => "queued",
        Status::Duplicate => "duplicate",
        Status::Rejected | Status::Refused | Status::Unspecified => "rejected",
    }
}
