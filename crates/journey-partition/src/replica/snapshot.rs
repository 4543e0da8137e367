//! Snapshots that are exact at one entry, while entries go on being applied.
//!
//! ```text
//!   SnapshotSender::open: S0 = applied now; control, counts and consensus' blob as of S0 are kept
//!     ─► customers in the order of head rows, page by page: from the side table, else from memory, else from rows
//!          ▲ the applier, before it first changes a customer that the cursor has not passed, saves the old state
//!     ─► counts, trailer with the state hash at S0
//!   SnapshotReceiver: rows into a tree of its own (wake and outbox indexes are made anew) ─► flush ─► hash checked
//!     ─► one durable write names that tree as the partition's, whose floor is S0
//! ```
//!
//! What a customer is at S0 is an `Arc` that somebody holds already, so saving it costs a map entry and, where the
//! applier goes on with it, a copy. The side table is bounded: beyond it the stream is cancelled and may be tried again.
//!
//! The way between replicas is not here: whoever has a channel carries [`SnapshotChunk`]s over it, in order.

mod generation;
mod receive;
mod send;
mod wire;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use journey_customer::CustomerState;
use journey_types::Lsn;

pub use self::generation::{partition_tree, remove_partition};
pub use self::receive::SnapshotReceiver;
#[cfg(test)]
pub(in crate::replica) use self::send::Sizes;
pub use self::send::SnapshotSender;
pub use self::wire::SnapshotChunk;
use super::place::Place;
use super::reads::was_born;
use crate::limits::SNAPSHOT_SAVED_OVERHEAD_BYTES;

/// Names an open stream of one replica.
type StreamId = u64;

/// The streams that are open on a replica.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    n_opened: StreamId,
}

/// What one stream has read, and what it must not see changed.
#[derive(Debug)]
struct Stream {
    at: Lsn,
    /// The last place read; `None` before the first.
    cursor: Option<Place>,
    has_read_all: bool,
    /// Customers behind the cursor that have changed since, as they were at `at`; `None` when nobody had heard of them.
    side_table: BTreeMap<Place, Option<Arc<CustomerState>>>,
    side_table_bytes: usize,
    side_table_bytes_max: usize,
    cancelled: Option<String>,
}

impl Streams {
    /// To be called before a customer changes, with its state so far.
    pub(super) fn before_change(&mut self, place: &Place, state: &Arc<CustomerState>) {
        for stream in self.open.values_mut() {
            stream.save(place, state);
        }
    }

    /// The first entry's predecessor that some stream still stands for: the log must be kept behind it.
    pub(super) fn oldest(&self) -> Option<Lsn> {
        self.open.values().map(|stream| stream.at).min()
    }

    fn add(&mut self, at: Lsn, side_table_bytes_max: usize) -> StreamId {
        self.n_opened += 1;
        let stream = Stream {
            at,
            cursor: None,
            has_read_all: false,
            side_table: BTreeMap::new(),
            side_table_bytes: 0,
            side_table_bytes_max,
            cancelled: None,
        };
        self.open.insert(self.n_opened, stream);
        self.n_opened
    }
}

impl Stream {
    fn save(&mut self, place: &Place, state: &Arc<CustomerState>) {
        let is_past = self.has_read_all || self.cursor.as_ref().is_some_and(|at| place <= at);
        if is_past || self.cancelled.is_some() || self.side_table.contains_key(place) {
            return;
        }
        let state = was_born(state).then(|| Arc::clone(state));
        self.side_table_bytes += saved_size_bytes(state.as_ref());
        self.side_table.insert(place.clone(), state);
        if self.side_table_bytes > self.side_table_bytes_max {
            self.cancelled = Some(format!(
                "customers changed faster than it was read: {} of them wait with {} bytes, above the limit of {}",
                self.side_table.len(),
                self.side_table_bytes,
                self.side_table_bytes_max
            ));
            self.side_table.clear();
        }
    }

    fn behind_cursor(&self) -> Bound<&Place> {
        self.cursor
            .as_ref()
            .map_or(Bound::Unbounded, Bound::Excluded)
    }

    /// Everything up to there is read: what was saved of it is not needed any more.
    fn pass(&mut self, place: Place) {
        while let Some(first) = self.side_table.first_entry() {
            if *first.key() > place {
                break;
            }
            let state = first.remove();
            self.side_table_bytes -= saved_size_bytes(state.as_ref());
        }
        self.cursor = Some(place);
    }
}

fn saved_size_bytes(state: Option<&Arc<CustomerState>>) -> usize {
    SNAPSHOT_SAVED_OVERHEAD_BYTES + state.map_or(0, |state| state.size_bytes())
}
