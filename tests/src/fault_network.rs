//! Faults between the nodes of a cluster: every node is reached by the others through a door of this network, which cuts,
//! resets or delays what goes from one node to another, each direction for itself, and counts what it did.
//!
//! ```text
//!   node A ── connects ──► door of B ── whose socket is it? A's ──► link A→B ──► node B
//!                                                         ◄── link B→A ◄──
//! ```
//!
//! Whoever is no node of the cluster (the test's own clients) passes untouched. What a silent cut holds back arrives when
//! it is healed, as with a network that lost packets: TCP sends them again.

mod link;
mod owner;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpStream;

pub use self::link::{Cut, LinkFigures};
use self::link::{Link, carry};
use self::owner::{Owner, Owners};

/// The doors and links of one cluster, served by threads of their own, so that a test that blocks delays nobody.
#[derive(Debug)]
pub struct FaultNetwork {
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

#[derive(Debug)]
struct Shared {
    owners: Owners,
    links: Mutex<BTreeMap<(usize, usize), Arc<Link>>>,
}

impl Shared {
    fn link(&self, from: usize, to: usize) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(links.entry((from, to)).or_default())
    }
}

/// What a door leads to.
#[derive(Debug, Clone)]
struct Door {
    node: usize,
    address: SocketAddr,
    behind: SocketAddr,
}

impl FaultNetwork {
    /// A network without doors, for nodes whose data lies in `<folder>/node<number>`.
    ///
    /// # Errors
    /// When its threads cannot be started.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fault-network")
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            owners: Owners::of(folder),
            links: Mutex::default(),
        });
        Ok(Self {
            shared,
            runtime: Some(runtime),
        })
    }

    /// Opens a door in front of a node's address and answers its own.
    ///
    /// # Errors
    /// When no port is free.
    pub fn open_door(&self, node: usize, behind: &str) -> anyhow::Result<String> {
        let behind = behind.parse().context("the address behind a door")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let door = Door {
            node,
            address,
            behind,
        };
        let shared = Arc::clone(&self.shared);
        let runtime = self.runtime.as_ref().context("the network is closed")?;
        runtime.spawn(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                return;
            };
            while let Ok((visitor, from)) = listener.accept().await {
                tokio::spawn(let_in(Arc::clone(&shared), door.clone(), visitor, from));
            }
        });
        Ok(address.to_string())
    }

    /// Cuts what goes from one node to another, until [`Self::heal`].
    pub fn cut(&self, from: usize, to: usize, cut: Cut) {
        self.shared.link(from, to).set_cut(Some(cut));
    }

    /// Lets everything through again, also what was held back.
    pub fn heal(&self, from: usize, to: usize) {
        self.shared.link(from, to).set_cut(None);
    }

    /// Lets each piece wait that goes from one node to another.
    pub fn delay(&self, from: usize, to: usize, delay: Duration) {
        self.shared.link(from, to).set_delay(delay);
    }

    /// What became of the bytes from one node to another.
    #[must_use]
    pub fn figures(&self, from: usize, to: usize) -> LinkFigures {
        self.shared.link(from, to).figures()
    }
}

impl Drop for FaultNetwork {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime may not wait for its threads inside another one.
            runtime.shutdown_background();
        }
    }
}

/// One connection, from its first moment to its end.
async fn let_in(shared: Arc<Shared>, door: Door, visitor: TcpStream, from: SocketAddr) {
    let asked = Arc::clone(&shared);
    let owner = tokio::task::spawn_blocking(move || asked.owners.of_socket(from, door.address));
    let node = match owner.await {
        Ok(Owner::Node(node)) => Some(node),
        Ok(Owner::Outside) => None,
        // Its process is gone, and with it whoever would read an answer.
        Ok(Owner::Nobody) | Err(_) => return,
    };
    let links = match node {
        Some(node) => (shared.link(node, door.node), shared.link(door.node, node)),
        None => (Arc::default(), Arc::default()),
    };
    if links.0.refuses() || links.1.refuses() {
        return;
    }
    if let Ok(host) = TcpStream::connect(door.behind).await {
        carry(visitor, host, links).await;
    }
}

#[cfg(test)]
mod tests;
