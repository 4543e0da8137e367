//! A cluster under load, from its first event to the verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use journey_client::wire::event_result::Status;
use journey_client::{ClusterClient, wire};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::produce::produce;
use super::work::work;
use super::{History, JOURNEYS, Nth, hashes, state_hashes};
use crate::cluster_process::ClusterProcess;
use crate::wait::wait_until;

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub struct LoadPlan {
    /// Producers that send side by side.
    pub n_producers: u32,
    /// Customers of each.
    pub n_customers: u32,
    /// Pause of a producer between two batches, each of one event for every customer.
    pub pause: Duration,
}

/// A load and those who watch it.
#[derive(Debug)]
pub struct Trial {
    history: Arc<History>,
    addresses: Vec<String>,
    stop_producing: Arc<AtomicBool>,
    stop_watching: Arc<AtomicBool>,
    producers: Vec<JoinHandle<()>>,
    watchers: Vec<JoinHandle<()>>,
}

/// Events of one call when everything is sent again.
const BATCH: usize = 500;

impl Trial {
    /// Publishes the journeys and begins the load.
    ///
    /// # Errors
    /// When they cannot be published.
    ///
    /// # Cancel safety
    /// Not safe: the load may have begun.
    pub async fn begin(cluster: &ClusterProcess, plan: LoadPlan) -> anyhow::Result<Self> {
        let addresses = cluster.addresses();
        let client = ClusterClient::new(addresses.clone())?.client().await?;
        let file = wire::SourceFile {
            name: "history.yaml".to_owned(),
            text: JOURNEYS.to_owned(),
        };
        let request = wire::PublishJourneysRequest { files: vec![file] };
        client.publish_journeys(request).await?;
        let mut trial = Self {
            history: Arc::default(),
            addresses,
            stop_producing: Arc::default(),
            stop_watching: Arc::default(),
            producers: Vec::new(),
            watchers: Vec::new(),
        };
        for producer in 0..plan.n_producers {
            let first = producer * plan.n_customers;
            let mut addresses = trial.addresses.clone();
            let n_addresses = addresses.len();
            addresses.rotate_left(producer as usize % n_addresses);
            trial.producers.push(tokio::spawn(produce(
                (addresses, Arc::clone(&trial.history)),
                first..first + plan.n_customers,
                plan.pause,
                Arc::clone(&trial.stop_producing),
            )));
        }
        for address in trial.addresses.clone() {
            let seen = (Arc::clone(&trial.history), Arc::clone(&trial.stop_watching));
            trial
                .watchers
                .push(tokio::spawn(work(address, seen.0, seen.1)));
        }
        for peer in cluster.peers().iter().cloned() {
            let seen = (Arc::clone(&trial.history), Arc::clone(&trial.stop_watching));
            let watching = hashes::watch(peer, seen.0, seen.1);
            trial.watchers.push(tokio::spawn(watching));
        }
        Ok(trial)
    }

    /// What was seen so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Waits until something of every customer was acknowledged after this call, and says how long that took.
    ///
    /// # Errors
    /// When a customer's events are not acknowledged, or something happened that may never happen.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn everybody_goes_on(&self) -> anyhow::Result<Duration> {
        let since = Instant::now();
        let went = wait_until("every customer's events to be acknowledged", || async {
            self.history.silent_since(since).is_empty().then_some(())
        });
        let silent = || self.history.silent_since(since);
        went.await
            .with_context(|| format!("customers {:?} are silent", silent()))?;
        self.check()?;
        Ok(since.elapsed())
    }

    /// Whether nothing happened yet that may never happen.
    ///
    /// # Errors
    /// With all that did.
    pub fn check(&self) -> anyhow::Result<()> {
        let wrong = self.history.wrong();
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }

    /// Ends the load, lets everything come to rest, and judges.
    ///
    /// # Errors
    /// With everything that may not be.
    ///
    /// # Cancel safety
    /// Not safe: the load has ended.
    pub async fn judge(mut self, cluster: &ClusterProcess) -> anyhow::Result<String> {
        self.stop_producing.store(true, Ordering::Relaxed);
        wait_until("everything sent to be acknowledged", || async {
            let is_over = self.producers.iter().all(JoinHandle::is_finished);
            is_over.then_some(())
        })
        .await?;
        for producer in self.producers.drain(..) {
            producer.await?;
        }
        let n_backlog = self.wanted().len() - self.history.record().effects.len();
        let ended = Instant::now();
        self.expect_effects().await?;
        let drained = ended.elapsed();
        self.expect_duplicates().await?;
        self.expect_counts().await?;
        self.stop_watching.store(true, Ordering::Relaxed);
        for watcher in self.watchers.drain(..) {
            watcher.await?;
        }
        self.expect_equal_replicas(cluster.peers()).await?;
        self.check()?;
        Ok(format!(
            "{}; {n_backlog} effects left at the end of the load were handed over in {} ms",
            self.history.figures(),
            drained.as_millis()
        ))
    }

    /// Everything that is to be handed over: content and run.
    fn wanted(&self) -> Vec<(String, Nth)> {
        let record = self.history.record();
        let contents = |nth: &Nth| match nth.name() {
            "started" => vec!["first", "second"],
            "asked" => vec!["thanks"],
            _ => Vec::new(),
        };
        let wanted = record.events.keys().flat_map(|nth| {
            let contents = contents(nth).into_iter();
            contents.map(|content| (content.to_owned(), *nth))
        });
        wanted.collect()
    }

    /// Each effect is seen in the end, and no other.
    async fn expect_effects(&self) -> anyhow::Result<()> {
        let wanted = self.wanted();
        let missing = || {
            let record = self.history.record();
            let missing = wanted
                .iter()
                .filter(|effect| !record.effects.contains_key(*effect));
            missing.cloned().collect::<Vec<_>>()
        };
        // However many wait: whoever was ill-treated for long has much to hand over, one after another for each customer.
        let mut n_left = missing().len();
        while n_left > 0 {
            let seen = wait_until("one more effect to be handed over", || async {
                let n_now = missing().len();
                (n_now < n_left).then_some(n_now)
            });
            n_left = seen.await.with_context(|| {
                let missing = missing();
                format!("{} effects, the first {:?}", missing.len(), missing.first())
            })?;
        }
        let n_seen = self.history.record().effects.len();
        anyhow::ensure!(
            n_seen == wanted.len(),
            "{n_seen} effects of {} wanted ones",
            wanted.len()
        );
        Ok(())
    }

    /// Whatever was acknowledged is remembered: sent again, it is a duplicate.
    async fn expect_duplicates(&self) -> anyhow::Result<()> {
        let all: Vec<Nth> = self.history.record().events.keys().copied().collect();
        let nodes = ClusterClient::new(self.addresses.clone())?;
        for batch in all.chunks(BATCH) {
            let events = batch.iter().map(|nth| nth.event()).collect();
            let results = nodes.ingest(events, wire::IngestMode::Live).await?;
            for (nth, result) in batch.iter().zip(results) {
                anyhow::ensure!(
                    result.status() == Status::Duplicate,
                    "{nth} was acknowledged and is lost: {result:?}"
                );
            }
        }
        Ok(())
    }

    /// Each run was entered once and completed, each timer fired once.
    async fn expect_counts(&self) -> anyhow::Result<()> {
        let named = |name: &str| {
            let record = self.history.record();
            let named = record.events.keys().filter(|nth| nth.name() == name);
            named.count() as u64
        };
        let (n_started, n_asked) = (named("started"), named("asked"));
        let twice = self.completed("twice", n_started).await?;
        anyhow::ensure!(
            (twice.entered, twice.timers_fired) == (n_started, n_started),
            "{n_started} started: {twice:?}"
        );
        let question = self.completed("question", n_asked).await?;
        let reminded = question.steps.get("remind").map_or(0, |step| step.entered);
        let n_thanks = question.messages.get("thanks").copied();
        anyhow::ensure!(
            question.entered == n_asked
                && n_thanks == Some(n_asked)
                && question.timers_fired == reminded,
            "{n_asked} asked: {question:?}"
        );
        Ok(())
    }

    async fn completed(&self, journey: &str, n: u64) -> anyhow::Result<wire::JourneyCounts> {
        let request = || wire::GetJourneyCountsRequest {
            id: journey.to_owned(),
            version: 0,
        };
        let what = format!("{n} runs of {journey} to complete");
        wait_until(&what, || async {
            let nodes = ClusterClient::new(self.addresses.clone()).ok()?;
            let client = nodes.client().await.ok()?;
            let counts = client.get_journey_counts(request()).await.ok()?.counts?;
            (counts.completed == n).then_some(counts)
        })
        .await
    }

    /// At rest every replica of a partition has the same index, and the same state.
    async fn expect_equal_replicas(&self, peers: &[String]) -> anyhow::Result<()> {
        wait_until("replicas to come to the same index", || async {
            let mut indexes: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
            for peer in peers {
                for hash in state_hashes(peer).await.ok()? {
                    self.history.hashed(peer, &hash);
                    let indexes = indexes.entry(hash.partition).or_default();
                    indexes.push(hash.applied_index);
                }
            }
            let n_replicas = peers.len().min(3);
            let is_even = indexes.values().all(|indexes| {
                let first = indexes[0];
                indexes.len() == n_replicas && indexes.iter().all(|index| *index == first)
            });
            is_even.then_some(())
        })
        .await
    }
}
