//! One connection to one peer: requests of all groups go out as they come, as many to a message as wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journey_proto::internal::peer_client::PeerClient;
use journey_proto::internal::{PeerAnswers, PeerRequest, PeerRequests, peer_answer, peer_request};
use prost::Message as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use super::{Lane, PeerAddress, PeerFault, ReplicaDirectory};
use crate::limits::{
    PEER_CONNECT_WAIT_MAX, PEER_MESSAGE_SIZE_BYTES_MAX, PEER_MESSAGES_BUFFERED_MAX,
    PEER_PULSE_PAUSE, PEER_RECONNECT_PAUSE, PEER_REQUESTS_IN_FLIGHT_MAX, PEER_REQUESTS_QUEUED_MAX,
    PEER_REQUESTS_SIZE_BYTES, PEER_SILENCE_MAX_CONTROL, PEER_SILENCE_MAX_DATA,
    PEER_WINDOW_SIZE_BYTES,
};
use crate::{GroupId, ReplicaId};

type Answer = oneshot::Sender<Result<peer_answer::Body, PeerFault>>;

/// Handle of a link; its task ends when all handles are gone.
#[derive(Debug, Clone)]
pub(super) struct Link {
    queue: mpsc::Sender<Call>,
}

/// A request that waits to be sent.
struct Call {
    request: PeerRequest,
    answer: Answer,
}

impl Call {
    /// Whether others like it come at the same moment: heartbeats of all groups do.
    fn is_heartbeat(&self) -> bool {
        matches!(&self.request.body, Some(peer_request::Body::Append(append)) if append.entries.is_empty())
    }
}

impl Link {
    pub(super) fn open(
        runtime: &Handle,
        address: PeerAddress,
        lane: Lane,
        directory: Arc<dyn ReplicaDirectory>,
    ) -> Self {
        let (queue, calls) = mpsc::channel(PEER_REQUESTS_QUEUED_MAX);
        let talker = Talker {
            address,
            lane,
            directory,
            calls,
            n_sent: 0,
        };
        runtime.spawn(talker.run());
        Self { queue }
    }

    /// Puts the request in line: requests go in the order in which they were put there.
    pub(super) fn begin(
        &self,
        (group, replica): (GroupId, ReplicaId),
        body: peer_request::Body,
    ) -> Asked {
        let (answer, heard) = oneshot::channel();
        let request = PeerRequest {
            number: 0,
            group: group.get(),
            replica: replica.get(),
            body: Some(body),
        };
        let call = Call { request, answer };
        if let Err(TrySendError::Full(call) | TrySendError::Closed(call)) =
            self.queue.try_send(call)
        {
            refuse(call, "requests to this peer wait already");
        }
        Asked(heard)
    }
}

/// The answer to a request, once it is there.
#[derive(Debug)]
pub(super) struct Asked(oneshot::Receiver<Result<peer_answer::Body, PeerFault>>);

impl Asked {
    pub(super) async fn answer(self, wait_max: Duration) -> Result<peer_answer::Body, PeerFault> {
        match timeout(wait_max, self.0).await {
            Ok(Ok(Ok(peer_answer::Body::Refused(reason)))) => Err(PeerFault::Refused(reason)),
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(PeerFault::Unanswered("this node stops".to_owned())),
            Err(_) => Err(PeerFault::Unanswered(format!("no answer in {wait_max:?}"))),
        }
    }
}

/// The task of a link.
struct Talker {
    address: PeerAddress,
    lane: Lane,
    directory: Arc<dyn ReplicaDirectory>,
    calls: mpsc::Receiver<Call>,
    n_sent: u64,
}

/// A request whose answer is awaited.
struct Pending {
    answer: Answer,
    sent: Instant,
}

/// An open stream.
struct Conversation {
    outgoing: mpsc::Sender<PeerRequests>,
    incoming: Streaming<PeerAnswers>,
}

impl Talker {
    async fn run(mut self) {
        while let Some(first) = self.calls.recv().await {
            let reason = match timeout(PEER_CONNECT_WAIT_MAX, self.connect()).await {
                Ok(Ok(conversation)) => self.converse(conversation, first).await,
                Ok(Err(reason)) => {
                    refuse(first, &reason);
                    reason
                }
                Err(_) => {
                    let reason = format!(
                        "{} did not take a connection in {PEER_CONNECT_WAIT_MAX:?}",
                        self.address
                    );
                    refuse(first, &reason);
                    reason
                }
            };
            tracing::debug!(peer = %self.address, lane = ?self.lane, %reason, "peer cannot be reached");
            self.pause(&reason).await;
        }
    }

    async fn connect(&self) -> Result<Conversation, String> {
        let failed = |error: &dyn std::error::Error| {
            let cause = error.source().map(|cause| format!(": {cause}"));
            format!("{}: {error}{}", self.address, cause.unwrap_or_default())
        };
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))
            .map_err(|error| failed(&error))?
            .connect_timeout(PEER_CONNECT_WAIT_MAX)
            .tcp_nodelay(true)
            .initial_stream_window_size(PEER_WINDOW_SIZE_BYTES)
            .initial_connection_window_size(PEER_WINDOW_SIZE_BYTES);
        let channel: Channel = endpoint.connect().await.map_err(|error| failed(&error))?;
        let (outgoing, requests) = mpsc::channel(PEER_MESSAGES_BUFFERED_MAX);
        let response = PeerClient::new(channel)
            .max_decoding_message_size(PEER_MESSAGE_SIZE_BYTES_MAX)
            .exchange(ReceiverStream::new(requests))
            .await
            .map_err(|status| format!("{}: {}", self.address, status.message()))?;
        Ok(Conversation {
            outgoing,
            incoming: response.into_inner(),
        })
    }

    /// Sends and hears until the stream breaks; answers why it did.
    async fn converse(&mut self, conversation: Conversation, first: Call) -> String {
        let Conversation {
            outgoing,
            mut incoming,
        } = conversation;
        let mut pending = BTreeMap::new();
        let mut heard_at = Instant::now();
        let mut next = Some(first);
        let mut gathers_until = None;
        let silence_max = match self.lane {
            Lane::Control => PEER_SILENCE_MAX_CONTROL,
            Lane::Data => PEER_SILENCE_MAX_DATA,
        };
        let reason = loop {
            let oldest: Option<&Pending> = pending.values().next();
            let silent_at = oldest.map(|oldest| oldest.sent.max(heard_at) + silence_max);
            let has_room = pending.len() < PEER_REQUESTS_IN_FLIGHT_MAX;
            tokio::select! {
                heard = incoming.message() => match heard {
                    Ok(Some(answers)) => {
                        heard_at = Instant::now();
                        hear(answers, &mut pending);
                    }
                    Ok(None) => break format!("{} closed the connection", self.address),
                    Err(status) => break format!("{}: {}", self.address, status.message()),
                },
                () = until(gathers_until), if gathers_until.is_some() => gathers_until = None,
                permit = outgoing.reserve(), if next.is_some() && gathers_until.is_none() => match permit {
                    Ok(permit) => {
                        let requests = self.gather(&mut next, &mut pending);
                        let cluster = self.directory.cluster().unwrap_or(0);
                        if !requests.is_empty() {
                            permit.send(PeerRequests { cluster, requests });
                        }
                    }
                    Err(_) => break format!("{} closed the connection", self.address),
                },
                call = self.calls.recv(), if next.is_none() && has_room => match call {
                    Some(call) => {
                        gathers_until = call.is_heartbeat().then(|| Instant::now() + PEER_PULSE_PAUSE);
                        next = Some(call);
                    }
                    None => break "this node stops".to_owned(),
                },
                () = until(silent_at), if silent_at.is_some() => {
                    break format!("{} has not answered for {silence_max:?}", self.address);
                }
            }
        };
        for pending in pending.into_values() {
            tell(pending.answer, Err(PeerFault::Unanswered(reason.clone())));
        }
        if let Some(call) = next {
            refuse(call, &reason);
        }
        reason
    }

    /// Takes what waits, up to one message's worth; those whose callers have given up are left out.
    fn gather(
        &mut self,
        next: &mut Option<Call>,
        pending: &mut BTreeMap<u64, Pending>,
    ) -> Vec<PeerRequest> {
        let mut requests = Vec::new();
        let mut size_bytes = 0;
        let sent = Instant::now();
        while let Some(call) = next.take().or_else(|| self.calls.try_recv().ok()) {
            if call.answer.is_closed() {
                continue;
            }
            let request_bytes = call.request.encoded_len();
            if size_bytes > 0 && size_bytes + request_bytes > PEER_REQUESTS_SIZE_BYTES {
                *next = Some(call);
                break;
            }
            let Call {
                mut request,
                answer,
            } = call;
            size_bytes += request_bytes;
            self.n_sent += 1;
            request.number = self.n_sent;
            pending.insert(self.n_sent, Pending { answer, sent });
            requests.push(request);
            if pending.len() >= PEER_REQUESTS_IN_FLIGHT_MAX {
                break;
            }
        }
        requests
    }

    /// Lets a peer that cannot be reached be for a moment; what comes meanwhile fails at once.
    async fn pause(&mut self, reason: &str) {
        let refuse_all = async {
            while let Some(call) = self.calls.recv().await {
                refuse(call, reason);
            }
        };
        if timeout(PEER_RECONNECT_PAUSE, refuse_all).await.is_ok() {
            tracing::trace!("link closed");
        }
    }
}

fn hear(answers: PeerAnswers, pending: &mut BTreeMap<u64, Pending>) {
    for answer in answers.answers {
        let Some(pending) = pending.remove(&answer.number) else {
            continue;
        };
        let body = answer.body.ok_or_else(|| {
            PeerFault::Unanswered("an answer that this release does not know".to_owned())
        });
        tell(pending.answer, body);
    }
}

/// When there is a moment, that moment.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn refuse(call: Call, reason: &str) {
    tell(call.answer, Err(PeerFault::NotSent(reason.to_owned())));
}

fn tell(answer: Answer, outcome: Result<peer_answer::Body, PeerFault>) {
    if answer.send(outcome).is_err() {
        tracing::trace!("the caller has given up");
    }
}
