//! Proves the sums of a run: everything acknowledged is found again, in counts, instances and effects.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use journey_client::{Client, wire};

use crate::figures::{self, Counts};
use crate::ledger::{Ledger, Totals};
use crate::limits::SETTLE_MAX;
use crate::node::Scrape;
use crate::nodes::NodesUnderTest;
use crate::scenario::Scenario;
use crate::sums::{Figures, Proof, Sum};
use crate::traffic::Run;
use crate::worker::Worker;

/// Pause between two tries: timers fire and effects are settled meanwhile.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// What stood on the node before the run.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) journeys: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) scrape: Option<Scrape>,
}

/// Everything that the proof looks at.
#[derive(Debug)]
pub(crate) struct Prover<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) run: &'a Run,
    pub(crate) ledger: &'a Arc<Ledger>,
    pub(crate) nodes: &'a NodesUnderTest,
    pub(crate) before: &'a Before,
    pub(crate) worker: Option<&'a Worker>,
}

impl Prover<'_> {
    /// Looks until every sum holds, or nothing has moved for as long as the scenario allows, and says what became of
    /// each.
    pub(crate) async fn prove(&self) -> anyhow::Result<Vec<Proof>> {
        let client = Client::connect(self.nodes.address()).await?;
        let sums = self.sums()?;
        let began = cluster::monotonic_now();
        let (mut last, mut moved) = (Figures::new(), began);
        loop {
            let figures = self.figures(&client).await?;
            let now = cluster::monotonic_now();
            if figures != last {
                moved = now;
                last.clone_from(&figures);
            }
            let is_over = now.duration_since(moved) > self.scenario.settle
                || now.duration_since(began) > SETTLE_MAX;
            let mut proofs: Vec<Proof> = sums.iter().map(|sum| sum.prove(&figures)).collect();
            let holds = proofs.iter().all(|proof| proof.holds);
            if holds || is_over {
                proofs.extend(self.sample(&client).await?);
                return Ok(proofs);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// What must hold in every run, then what the scenario says.
    fn sums(&self) -> anyhow::Result<Vec<Sum>> {
        let mut texts = vec![
            "failures = 0".to_owned(),
            "sent = accepted + duplicates.answered + bad.answered + given-up".to_owned(),
            "duplicates.sent = duplicates.answered".to_owned(),
            "bad.sent = bad.answered".to_owned(),
        ];
        if self.before.scrape.is_some() && !self.scenario.restarts() {
            texts.push("node.accepted = accepted".to_owned());
        }
        for id in &self.before.journeys {
            let of = |name: &str| format!("counts.{id}.{name}");
            texts.push(format!(
                "{} = {} + {} + {} + {} + {}",
                of("entered"),
                of("active"),
                of("parked"),
                of("completed"),
                of("exited"),
                of("held-out"),
            ));
        }
        if self.worker.is_some() {
            let messages: Vec<String> = self
                .before
                .journeys
                .iter()
                .map(|id| format!("counts.{id}.messages"))
                .collect();
            texts.push(format!("effects = {}", messages.join(" + ")));
            texts.push(
                "effects + effects-again = outcomes.recorded + outcomes.settled + outcomes.refused"
                    .to_owned(),
            );
            texts.push("outcomes.recorded = effects".to_owned());
        }
        let universal = texts.iter().map(|text| {
            Sum::parse(text).map_err(|reason| anyhow::anyhow!("sum `{text}`: {reason}"))
        });
        let mut sums = universal.collect::<anyhow::Result<Vec<Sum>>>()?;
        sums.extend(self.scenario.sums.iter().cloned());
        Ok(sums)
    }

    async fn figures(&self, client: &Client) -> anyhow::Result<Figures> {
        let mut found = Figures::new();
        figures::add_ledger(&mut found, &self.ledger.totals(), &self.run.kinds);
        found.insert("customers".to_owned(), i128::from(self.run.n_customers));
        let after = figures::counts(client, &self.before.journeys).await?;
        figures::add_counts(&mut found, &self.before.counts, &after);
        if let Some(worker) = self.worker {
            figures::add_effects(&mut found, &worker.seen());
        }
        if let Some(before) = &self.before.scrape
            && let Some(after) = self.nodes.scrape().await
        {
            figures::add_metrics(&mut found, before, &after);
        }
        Ok(found)
    }

    /// Reads the sampled customers one by one.
    async fn sample(&self, client: &Client) -> anyhow::Result<Vec<Proof>> {
        let totals = self.ledger.totals();
        let customers = &self.scenario.customers;
        let mut proofs = Vec::new();
        if let Some(n_instances) = customers.instances {
            let mut proof =
                SampleProof::new("instances of the sampled customers", totals.sample.len());
            for customer in 0..totals.sample.len() {
                let customer_id = self.customer_id(customer);
                let request = wire::ListInstancesRequest {
                    customer_id: customer_id.clone(),
                    ..Default::default()
                };
                // A customer who never sent anything is not there.
                let is_there = totals.sample[customer].iter().any(|n| *n > 0);
                let expected = if is_there { u64::from(n_instances) } else { 0 };
                let found = if is_there {
                    client.list_instances(request).await?.instances.len() as u64
                } else {
                    0
                };
                proof.add(&customer_id, found, expected);
            }
            proofs.push(proof.end());
        }
        if let Some(event) = &customers.history {
            proofs.push(self.history(client, event, &totals).await?);
        }
        Ok(proofs)
    }

    /// Holds the count of an event in each sampled customer's history against what was acknowledged.
    async fn history(
        &self,
        client: &Client,
        event: &str,
        totals: &Totals,
    ) -> anyhow::Result<Proof> {
        let text = format!("count({event}) of the sampled customers");
        let mut proof = SampleProof::new(&text, totals.sample.len());
        let label = format!("count({event})");
        for (customer, accepted) in totals.sample.iter().enumerate() {
            let kinds = self.run.kinds.iter().zip(accepted);
            let of_event = kinds.filter(|(kind, _)| kind.name == event);
            let expected: u64 = of_event.map(|(_, n)| *n).sum();
            if accepted.iter().all(|n| *n == 0) {
                continue;
            }
            let customer_id = self.customer_id(customer);
            let request = wire::GetCustomerRequest {
                customer_id: customer_id.clone(),
                ..Default::default()
            };
            let answer = client.get_customer(request).await?.customer;
            let answer = answer.context("the node answered without a customer")?;
            let found = answer.history.iter().find(|h| h.label == label);
            proof.add(&customer_id, found.map_or(0, |h| h.count), expected);
        }
        Ok(proof.end())
    }

    fn customer_id(&self, customer: usize) -> String {
        self.run
            .customer_id(u32::try_from(customer).unwrap_or(u32::MAX))
    }
}

/// Adds up customers, and remembers the first one that differs.
struct SampleProof {
    text: String,
    found: u64,
    expected: u64,
    differs: Option<String>,
}

impl SampleProof {
    fn new(text: &str, n_customers: usize) -> Self {
        Self {
            text: format!("{text} ({n_customers})"),
            found: 0,
            expected: 0,
            differs: None,
        }
    }

    fn add(&mut self, customer_id: &str, found: u64, expected: u64) {
        self.found += found;
        self.expected += expected;
        if found != expected && self.differs.is_none() {
            self.differs = Some(format!("{customer_id} has {found}, not {expected}"));
        }
    }

    fn end(self) -> Proof {
        let narrow = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let holds = self.differs.is_none();
        let sum = match self.differs {
            Some(differs) => format!("{}, where {differs}", self.text),
            None => self.text,
        };
        Proof {
            sum,
            left: narrow(self.found),
            right: narrow(self.expected),
            holds,
            unknown: Vec::new(),
        }
    }
}
