//! One direction between two nodes: what is done to the bytes that go along it, and what became of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// Bytes read at a time: an append of some entries.
const PIECE_SIZE_BYTES: usize = 16 * 1_024;

/// How a direction is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing arrives and nobody is told.
    Silent,
    /// Connections break, and new ones break at once.
    Reset,
}

/// What became of the bytes of one direction, ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkFigures {
    /// Bytes that went through.
    pub n_carried: u64,
    /// Pieces that a silent cut held back.
    pub n_held: u64,
    /// Connections that a reset broke or refused.
    pub n_broken: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cut: Option<Cut>,
    delay: Duration,
}

/// One direction between two nodes, over all their connections.
#[derive(Debug)]
pub(super) struct Link {
    state: watch::Sender<State>,
    n_carried: AtomicU64,
    n_held: AtomicU64,
    n_broken: AtomicU64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::default()),
            n_carried: AtomicU64::new(0),
            n_held: AtomicU64::new(0),
            n_broken: AtomicU64::new(0),
        }
    }
}

impl Link {
    pub(super) fn set_cut(&self, cut: Option<Cut>) {
        self.state.send_modify(|state| state.cut = cut);
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    pub(super) fn figures(&self) -> LinkFigures {
        LinkFigures {
            n_carried: self.n_carried.load(Ordering::Relaxed),
            n_held: self.n_held.load(Ordering::Relaxed),
            n_broken: self.n_broken.load(Ordering::Relaxed),
        }
    }

    /// Whether a new connection breaks at once; counts it.
    pub(super) fn refuses(&self) -> bool {
        let refuses = self.state.borrow().cut == Some(Cut::Reset);
        if refuses {
            self.n_broken.fetch_add(1, Ordering::Relaxed);
        }
        refuses
    }

    /// Completes when connections are to break.
    async fn broken(&self) {
        let mut state = self.state.subscribe();
        let reset = state.wait_for(|state| state.cut == Some(Cut::Reset));
        if reset.await.is_ok() {
            self.n_broken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits while the direction is cut in silence.
    async fn passage(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this link.
        drop(state.wait_for(|state| state.cut != Some(Cut::Silent)).await);
    }

    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut piece = vec![0; PIECE_SIZE_BYTES];
        loop {
            let n = from.read(&mut piece).await?;
            let state = *self.state.borrow();
            if state.cut == Some(Cut::Silent) {
                self.n_held.fetch_add(1, Ordering::Relaxed);
            }
            self.passage().await;
            if state.delay > Duration::ZERO {
                tokio::time::sleep(state.delay).await;
                // What came meanwhile may not overtake a cut.
                self.passage().await;
            }
            if n == 0 {
                return to.shutdown().await;
            }
            to.write_all(&piece[..n]).await?;
            self.n_carried.fetch_add(n as u64, Ordering::Relaxed);
        }
    }
}

/// Carries a connection until both sides have ended it, one of them broke, or a link breaks it.
pub(super) async fn carry(
    visitor: TcpStream,
    host: TcpStream,
    (there, back): (Arc<Link>, Arc<Link>),
) {
    drop(visitor.set_nodelay(true));
    drop(host.set_nodelay(true));
    let (from_visitor, to_visitor) = visitor.into_split();
    let (from_host, to_host) = host.into_split();
    let carried = async {
        tokio::try_join!(
            there.pump(from_visitor, to_host),
            back.pump(from_host, to_visitor)
        )
    };
    tokio::select! {
        _ = carried => {}
        () = there.broken() => {}
        () = back.broken() => {}
    }
}
