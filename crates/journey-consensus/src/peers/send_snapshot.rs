//! Sends a snapshot over a connection of its own, no faster than allowed.

use std::time::Duration;

use bytes::Bytes;
use journey_proto::internal::peer_client::PeerClient;
use journey_proto::internal::{
    SnapshotAnswer, SnapshotChunk, SnapshotOpening, SnapshotPart, snapshot_answer, snapshot_part,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

use super::{Peers, convert};
use crate::limits::{
    PEER_CONNECT_WAIT_MAX, PEER_WINDOW_SIZE_BYTES, SNAPSHOT_BYTES_PER_SECOND_MAX,
    SNAPSHOT_INSTALL_WAIT_MAX, SNAPSHOT_PIECES_BUFFERED_MAX, SNAPSHOT_STALL_MAX,
};
use crate::raft_types::Vote;
use crate::state_machine::{SnapshotPiece, SnapshotSource};
use crate::{GroupId, ReplicaId};

impl Peers {
    /// Sends it, waits until it is installed, and answers the other side's vote. The source is kept until then, and
    /// with it the log behind it.
    pub(super) async fn send_snapshot(
        &self,
        (group, replica): (GroupId, ReplicaId),
        vote: &Vote,
        (position, source): (Bytes, Box<dyn SnapshotSource>),
    ) -> Result<Vote, String> {
        let address = self.address(group, replica);
        let address = address.map_err(|fault| fault.to_string())?;
        let Ok(_turn) = self.inner.snapshots.try_acquire() else {
            return Err("enough other snapshots are on their way; it is tried again".to_owned());
        };
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| error.to_string())?
            .connect_timeout(PEER_CONNECT_WAIT_MAX)
            .tcp_nodelay(true)
            .initial_stream_window_size(PEER_WINDOW_SIZE_BYTES)
            .initial_connection_window_size(PEER_WINDOW_SIZE_BYTES);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| format!("{address}: {error}"))?;
        let opening = SnapshotOpening {
            cluster: self.inner.directory.cluster().unwrap_or(0),
            group: group.get(),
            replica: replica.get(),
            vote: Some(convert::vote_to_wire(vote)),
            position,
        };
        tracing::info!(group_id = %group, replica_id = %replica, peer = %address, "sending a snapshot");
        let (outgoing, parts) = mpsc::channel(SNAPSHOT_PIECES_BUFFERED_MAX);
        let mut client = PeerClient::new(channel);
        let answered = client.send_snapshot(ReceiverStream::new(parts));
        let sending = pump(opening, source, outgoing);
        tokio::pin!(answered, sending);
        // Refused early, or all of it sent: whichever comes first.
        let (sent, early) = tokio::select! {
            sent = &mut sending => (sent, None),
            answer = &mut answered => (Ok(None), Some(answer)),
        };
        // Held until the answer is there: what follows the snapshot stays in the log.
        let _source = sent?;
        let answer = match early {
            Some(answer) => answer,
            None => timeout(SNAPSHOT_INSTALL_WAIT_MAX, answered)
                .await
                .map_err(|_| {
                    format!("{address}: not installed in {SNAPSHOT_INSTALL_WAIT_MAX:?}")
                })?,
        };
        let answer = answer.map_err(|status| format!("{address}: {}", status.message()))?;
        outcome_of(answer.into_inner())
    }
}

fn outcome_of(answer: SnapshotAnswer) -> Result<Vote, String> {
    match answer.outcome {
        Some(snapshot_answer::Outcome::Vote(vote)) => convert::vote_of(Some(vote)),
        Some(snapshot_answer::Outcome::Refused(reason)) => Err(reason),
        None => Err("the answer to a snapshot is none this release knows".to_owned()),
    }
}

/// Puts the pieces into the stream at the allowed pace; gives the source back when the last is in it.
async fn pump(
    opening: SnapshotOpening,
    mut source: Box<dyn SnapshotSource>,
    outgoing: mpsc::Sender<SnapshotPart>,
) -> Result<Option<Box<dyn SnapshotSource>>, String> {
    send(&outgoing, snapshot_part::Body::Opening(opening)).await?;
    let mut due = Instant::now();
    loop {
        let (back, piece) = tokio::task::spawn_blocking(move || {
            let piece = source.next_piece();
            (source, piece)
        })
        .await
        .map_err(|error| format!("reading the snapshot ended: {error}"))?;
        source = back;
        let Some(piece) = piece? else {
            return Ok(Some(source));
        };
        due = due.max(Instant::now()) + pace_of(piece.bytes.len());
        send(&outgoing, snapshot_part::Body::Chunk(chunk_of(piece))).await?;
        sleep_until(due).await;
    }
}

fn pace_of(size_bytes: usize) -> Duration {
    let size_bytes = u32::try_from(size_bytes).unwrap_or(u32::MAX);
    Duration::from_secs_f64(f64::from(size_bytes) / f64::from(SNAPSHOT_BYTES_PER_SECOND_MAX))
}

fn chunk_of(piece: SnapshotPiece) -> SnapshotChunk {
    SnapshotChunk {
        offset: piece.offset,
        crc32c: crc32c::crc32c(&piece.bytes),
        bytes: piece.bytes,
        is_last: piece.is_last,
    }
}

async fn send(
    outgoing: &mpsc::Sender<SnapshotPart>,
    body: snapshot_part::Body,
) -> Result<(), String> {
    let part = SnapshotPart { body: Some(body) };
    match timeout(SNAPSHOT_STALL_MAX, outgoing.send(part)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("the other side does not take it any more".to_owned()),
        Err(_) => Err(format!(
            "nothing of it was taken for {SNAPSHOT_STALL_MAX:?}"
        )),
    }
}
