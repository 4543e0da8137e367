//! The nodes that a client knows: their connections, the cached table, and who did not answer lately.

use std::collections::BTreeMap;
use std::future::Future;

use journey_proto::v1 as wire;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::table::{PartitionNumber, Rule, Table};
use crate::client::Client;
use crate::error::ClientError;
use crate::limits::{
    CLUSTER_NODES_MAX, REPLACED_PATIENCE, RETRY_PAUSE_MAX, SUSPECT_SPAN, TABLE_ANSWER_MAX,
    TABLE_PAUSE_MIN, TABLE_REFRESH_INTERVAL,
};

/// The nodes and how to reach them. Shared by everything that one [`super::ClusterClient`] does.
#[derive(Debug)]
pub(super) struct Nodes {
    seeds: Vec<String>,
    known: Mutex<Known>,
    /// Held by the one that reads the table.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    table: Option<Table>,
    /// When a table was last read, or tried to be.
    read_at: Option<Instant>,
    clients: BTreeMap<String, Client>,
    /// Who did not answer, and until when somebody else is asked first.
    suspects: BTreeMap<String, Instant>,
    /// Which of the nodes is asked first when any will do.
    turn: usize,
}

/// A node to ask.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) address: String,
    pub(super) client: Client,
}

impl Nodes {
    pub(super) fn new(seeds: Vec<String>) -> Self {
        Self {
            seeds,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The connection to a node; made when it is first used.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub(super) fn at(&self, address: &str) -> Result<Asked, ClientError> {
        let mut known = self.known.lock();
        let address = address.to_owned();
        if let Some(client) = known.clients.get(&address) {
            let client = client.clone();
            return Ok(Asked { address, client });
        }
        let client = Client::lazy(&address)?;
        if known.clients.len() >= CLUSTER_NODES_MAX {
            // Nodes that left, mostly: whoever is still needed is connected again.
            known.clients.clear();
        }
        known.clients.insert(address.clone(), client.clone());
        Ok(Asked { address, client })
    }

    /// Any node, rather one that answered lately.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub(super) fn any(&self) -> Result<Asked, ClientError> {
        let address = {
            let mut known = self.known.lock();
            let all = self.addresses(&known);
            let now = Instant::now();
            let turn = known.turn;
            let order = (0..all.len()).map(|at| (turn + at) % all.len());
            let is_fine = |at: &usize| !known.is_suspect(&all[*at], now);
            let at = order.clone().find(is_fine).unwrap_or(turn % all.len());
            known.turn = at;
            all[at].clone()
        };
        self.at(&address)
    }

    /// Seeds first: they are what the user can reach, whatever nodes say of themselves.
    fn addresses(&self, known: &Known) -> Vec<String> {
        let mut all = self.seeds.clone();
        let told = known.table.iter().flat_map(|table| &table.addresses);
        for address in told {
            if !all.contains(address) && all.len() < CLUSTER_NODES_MAX {
                all.push(address.clone());
            }
        }
        all
    }

    /// Which customer lies where, if that is known.
    pub(super) fn rule(&self) -> Option<Rule> {
        self.known.lock().table.as_ref().map(|table| table.rule)
    }

    /// Who leads a partition, unless nobody is known to or it did not answer lately.
    pub(super) fn leader_of(&self, partition: PartitionNumber) -> Option<String> {
        let known = self.known.lock();
        let leader = known.table.as_ref()?.leader_of(partition)?;
        (!known.is_suspect(leader, Instant::now())).then(|| leader.to_owned())
    }

    /// A node did not answer: others are asked first for a while, and the next one when any will do.
    pub(super) fn suspect(&self, address: &str) {
        let mut known = self.known.lock();
        let until = Instant::now() + SUSPECT_SPAN;
        if known.suspects.len() >= CLUSTER_NODES_MAX {
            known.suspects.clear();
        }
        known.suspects.insert(address.to_owned(), until);
        known.turn += 1;
    }

    /// A node answered that it does not lead a partition, and perhaps who does.
    pub(super) fn redirected(&self, partition: PartitionNumber, from: &str, to: &str) {
        let mut known = self.known.lock();
        let Some(table) = &mut known.table else {
            return;
        };
        table.unlearn(partition, from);
        if !to.is_empty() && to != from {
            table.learn(partition, to.to_owned());
            known.suspects.remove(to);
        }
    }

    /// Completes when others say that a node which has not answered for a while does not lead one of these partitions any
    /// more: it may be frozen or cut off. Answers for how long it was waited for.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn replaced(&self, address: &str, partitions: &[PartitionNumber]) -> Duration {
        let begun = Instant::now();
        sleep(REPLACED_PATIENCE).await;
        loop {
            self.read_table().await;
            let is_replaced = {
                let known = self.known.lock();
                let leader = |partition: &PartitionNumber| {
                    let table = known.table.as_ref()?;
                    table.leader_of(*partition)
                };
                partitions
                    .iter()
                    .any(|partition| leader(partition).is_some_and(|leader| leader != address))
            };
            if is_replaced {
                return begun.elapsed();
            }
            sleep(RETRY_PAUSE_MAX).await;
        }
    }

    /// Whether the table is so old, or a partition so unknown, that it is worth reading again.
    pub(super) fn is_stale(&self, partitions: impl IntoIterator<Item = PartitionNumber>) -> bool {
        let known = self.known.lock();
        let Some(read_at) = known.read_at else {
            return true;
        };
        let age = read_at.elapsed();
        if age >= TABLE_REFRESH_INTERVAL {
            return true;
        }
        let now = Instant::now();
        let is_known = |partition| {
            let leader = known.table.as_ref()?.leader_of(partition)?;
            (!known.is_suspect(leader, now)).then_some(())
        };
        age >= TABLE_PAUSE_MIN
            && known.table.is_some()
            && partitions
                .into_iter()
                .any(|partition| is_known(partition).is_none())
    }

    /// Reads the table from whoever answers; leaves the old one where nobody does. One reads for all.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn read_table(&self) {
        let _one_reads = self.reading.lock().await;
        let n_nodes = {
            let mut known = self.known.lock();
            let is_fresh = known
                .read_at
                .is_some_and(|at| at.elapsed() < TABLE_PAUSE_MIN);
            if is_fresh {
                return;
            }
            known.read_at = Some(Instant::now());
            self.addresses(&known).len()
        };
        for _ in 0..n_nodes {
            let Ok(asked) = self.any() else { return };
            let request = wire::GetTableRequest {};
            match within(TABLE_ANSWER_MAX, asked.client.get_table(request)).await {
                Ok(told) => {
                    if let Some(table) = Table::of(told) {
                        self.known.lock().table = Some(table);
                    }
                    return;
                }
                Err(error) if error.is_retryable() => self.suspect(&asked.address),
                // A node that has no table to tell: then any node is as good as another.
                Err(_) => return,
            }
        }
    }
}

impl Known {
    fn is_suspect(&self, address: &str, now: Instant) -> bool {
        self.suspects.get(address).is_some_and(|until| *until > now)
    }
}

/// A call with a bound on how long it is waited for.
pub(super) async fn within<R>(
    bound: Duration,
    call: impl Future<Output = Result<R, ClientError>>,
) -> Result<R, ClientError> {
    let answered = timeout(bound, call).await;
    answered.unwrap_or(Err(ClientError::NoAnswer { within: bound }))
}
