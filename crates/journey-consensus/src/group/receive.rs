//! Takes a snapshot that another replica sends, beside the state, and has openraft install it.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use journey_proto::internal::{
    SnapshotAnswer, SnapshotOpening, SnapshotPart, snapshot_answer, snapshot_part,
};
use openraft::Snapshot;
use openraft::async_runtime::watch::WatchReceiver as _;
use tokio::time::timeout;
use tonic::Streaming;

use super::running::{RaftGroup, Running};
use crate::adapter::{SnapshotContent, meta_of};
use crate::applier::{Received, WeakApplier};
use crate::limits::SNAPSHOT_STALL_MAX;
use crate::peers::{vote_of, vote_to_wire};
use crate::raft_types::Vote;
use crate::record::Position;
use crate::state_machine::{SnapshotPiece, SnapshotSink};

impl Running {
    pub(super) fn receive_snapshot(
        &self,
        opening: SnapshotOpening,
        parts: Streaming<SnapshotPart>,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, String>> {
        let Ok(turn) = Arc::clone(&self.receiving).try_acquire_owned() else {
            let reason = "another snapshot of it is being received".to_owned();
            return std::future::ready(Err(reason)).boxed();
        };
        let raft = self.raft.clone();
        let snapshots = self.snapshots.clone();
        async move {
            let vote = vote_of(opening.vote)?;
            let own = own_vote(&raft);
            if own > vote {
                return Ok(answer(&own));
            }
            let position = Position::decode(opening.position)
                .map_err(|fault| format!("its position does not read: {fault}"))?;
            let received = receive(&snapshots, parts).await?;
            let snapshot = Snapshot {
                meta: meta_of(&position),
                snapshot: SnapshotContent::Received(received),
            };
            let installed = raft.install_full_snapshot(vote, snapshot).await;
            drop(turn);
            let response = installed.map_err(|fatal| fatal.to_string())?;
            Ok(answer(&response.vote))
        }
        .boxed()
    }
}

fn own_vote(raft: &RaftGroup) -> Vote {
    raft.server_metrics().borrow_watched().vote
}

fn answer(vote: &Vote) -> SnapshotAnswer {
    SnapshotAnswer {
        outcome: Some(snapshot_answer::Outcome::Vote(vote_to_wire(vote))),
    }
}

async fn receive(
    snapshots: &WeakApplier,
    mut parts: Streaming<SnapshotPart>,
) -> Result<Received, String> {
    // Not held while pieces come: a group that is shut down waits for its applier.
    let mut sink = snapshots.upgrade()?.receive_snapshot().await?;
    loop {
        let part = timeout(SNAPSHOT_STALL_MAX, parts.message())
            .await
            .map_err(|_| format!("nothing of it came for {SNAPSHOT_STALL_MAX:?}"))?
            .map_err(|status| format!("its stream broke: {}", status.message()))?;
        let part = part.ok_or_else(|| "it ended before its last piece".to_owned())?;
        let Some(snapshot_part::Body::Chunk(chunk)) = part.body else {
            return Err("it holds something else than pieces".to_owned());
        };
        if crc32c::crc32c(&chunk.bytes) != chunk.crc32c {
            return Err(format!(
                "its piece at byte {} was damaged on the way",
                chunk.offset
            ));
        }
        let is_last = chunk.is_last;
        let piece = SnapshotPiece {
            offset: chunk.offset,
            bytes: chunk.bytes,
            is_last,
        };
        sink = blocking(sink, move |sink| sink.take(&piece)).await?;
        if is_last {
            sink = blocking(sink, |sink| sink.finish()).await?;
            return Ok(sink.into_any());
        }
    }
}

async fn blocking(
    mut sink: Box<dyn SnapshotSink>,
    call: impl FnOnce(&mut dyn SnapshotSink) -> Result<(), String> + Send + 'static,
) -> Result<Box<dyn SnapshotSink>, String> {
    let task = tokio::task::spawn_blocking(move || {
        let done = call(sink.as_mut());
        done.map(|()| sink)
    });
    task.await
        .map_err(|error| format!("receiving it ended: {error}"))?
}
