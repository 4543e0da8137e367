//! The way to the other replicas of this node's groups.
//!
//! ```text
//!  Raft of group 1 ─ Connection ─┐                     ┌─► control: votes, heartbeats, transfers, proposals' leader
//!  Raft of group 2 ─ Connection ─┼─ address ─► Link ───┼─► data:    entries
//!  Raft of group n ─ Connection ─┘  (directory)        └─► bulk:    snapshots
//!
//!  Exchange: requests of all groups in one stream, what is ready goes in one message ─► PeerService ─► the group
//! ```
//!
//! Three connections per peer, so that neither entries nor a snapshot ever stand before a heartbeat. A stream is opened
//! when something is to be sent, and dropped when the other side is silent; every request has a deadline, and what
//! cannot be sent fails at once: Raft tries again by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journey_proto::internal::{peer_answer, peer_request};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::limits::{PEER_LINKS_MAX, SNAPSHOTS_SENT_MAX};
use crate::{GroupId, ReplicaId};

mod address;
mod append;
mod connection;
mod convert;
mod link;
mod send_snapshot;
mod service;

pub use address::{NoPeers, PeerAddress, ReplicaDirectory};
pub(crate) use connection::{Connections, Waits};
pub(crate) use convert::{answer_to_append, answer_to_transfer, answer_to_vote};
pub(crate) use convert::{append_of, transfer_of, vote_of, vote_question_of, vote_to_wire};
use link::{Asked, Link};
pub(crate) use service::Groups;
pub use service::PeerService;

/// Which of the connections to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Small and urgent.
    Control,
    /// Entries.
    Data,
}

/// Why a request to a peer has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeerFault {
    /// The peer has not seen it.
    NotSent(String),
    /// The peer may have done what it asks for.
    Unanswered(String),
    /// The peer did not look at it.
    Refused(String),
}

impl std::fmt::Display for PeerFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(reason) | Self::Unanswered(reason) | Self::Refused(reason) => {
                formatter.write_str(reason)
            }
        }
    }
}

/// The links of one node to its peers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: Arc<dyn ReplicaDirectory>,
    runtime: Handle,
    links: Mutex<BTreeMap<(PeerAddress, Lane), Link>>,
    /// Snapshots sent at a time.
    snapshots: Semaphore,
}

impl Peers {
    pub(crate) fn new(directory: Arc<dyn ReplicaDirectory>, runtime: Handle) -> Self {
        Self {
            inner: Arc::new(Inner {
                directory,
                runtime,
                links: Mutex::new(BTreeMap::new()),
                snapshots: Semaphore::new(SNAPSHOTS_SENT_MAX),
            }),
        }
    }

    /// Asks a replica and waits for its answer.
    pub(crate) async fn ask(
        &self,
        (group, replica): (GroupId, ReplicaId),
        lane: Lane,
        body: peer_request::Body,
        wait_max: Duration,
    ) -> Result<peer_answer::Body, PeerFault> {
        let asked = self.begin((group, replica), lane, body)?;
        asked.answer(wait_max).await
    }

    /// Puts a request in line and does not wait: requests of a lane go in the order in which they were put there.
    fn begin(
        &self,
        (group, replica): (GroupId, ReplicaId),
        lane: Lane,
        body: peer_request::Body,
    ) -> Result<Asked, PeerFault> {
        let link = self.link(group, replica, lane)?;
        Ok(link.begin((group, replica), body))
    }

    fn address(&self, group: GroupId, replica: ReplicaId) -> Result<PeerAddress, PeerFault> {
        let address = self.inner.directory.address_of(group, replica);
        address.ok_or_else(|| {
            PeerFault::NotSent(format!(
                "nobody knows where replica {replica} of {} is",
                group.described()
            ))
        })
    }

    fn link(&self, group: GroupId, replica: ReplicaId, lane: Lane) -> Result<Link, PeerFault> {
        let address = self.address(group, replica)?;
        let mut links = self.inner.links.lock();
        if links.len() >= PEER_LINKS_MAX && !links.contains_key(&(address.clone(), lane)) {
            // Addresses change now and then; a link that is dropped is opened again when it is needed.
            links.pop_first();
        }
        let link = links.entry((address.clone(), lane)).or_insert_with(|| {
            let directory = Arc::clone(&self.inner.directory);
            Link::open(&self.inner.runtime, address, lane, directory)
        });
        Ok(link.clone())
    }
}

#[cfg(test)]
mod tests;
