//! Entries on their way to one replica: the next go out while the answers to those before are still awaited.
//!
//! ```text
//!   openraft's requests ─► in line at once, in order ─► answers, in order ─► openraft
//!   nothing but a new commit index ─► waits a moment for entries that take it along
//! ```

use std::collections::VecDeque;
use std::pin::Pin;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use openraft::OptionalSend;
use openraft::base::BoxStream;
use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use tokio::time::Instant;

use super::Lane;
use super::connection::Connection;
use super::link::until;
use crate::limits::{PEER_APPENDS_IN_FLIGHT_MAX, PEER_COMMIT_PAUSE};
use crate::raft_types::{LogId, Types};

/// What openraft takes as the answers to a stream of appends.
pub(super) type AppendAnswers<'s> =
    BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;

type Request = AppendEntriesRequest<Types>;
type Response = Result<AppendEntriesResponse<Types>, RPCError<Types>>;

/// What shows that a leader is there goes where entries do not stand before it.
pub(super) fn lane_of(request: &Request) -> Lane {
    if request.entries.is_empty() {
        Lane::Control
    } else {
        Lane::Data
    }
}

/// Which entries a request is about.
#[derive(Debug, Clone, Copy)]
struct Range {
    previous: Option<LogId>,
    last: Option<LogId>,
}

impl Range {
    fn of(request: &Request) -> Self {
        let last = request.entries.last().map(|entry| entry.log_id);
        Self {
            previous: request.prev_log_id,
            last: last.or(request.prev_log_id),
        }
    }
}

/// A request whose answer is awaited.
struct Sent<'s> {
    range: Range,
    /// Requests that carried nothing and go with this one: their answers are its answer.
    taken_along: Vec<Range>,
    response: BoxFuture<'s, Response>,
}

/// A request that carries nothing but a commit index.
struct Held {
    request: Request,
    until: Instant,
}

/// The state of one stream of appends.
struct Pipeline<'s, S> {
    connection: &'s Connection,
    requests: S,
    /// Whether openraft has more.
    is_open: bool,
    n_begun: u64,
    held: Option<Held>,
    taken_along: Vec<Range>,
    sent: VecDeque<Sent<'s>>,
    ready: VecDeque<Result<StreamAppendResult<Types>, RPCError<Types>>>,
}

/// Sends the requests as they come, [`PEER_APPENDS_IN_FLIGHT_MAX`] unanswered at most; the answers come in the same order
/// and end with the first that is no success.
pub(super) fn pipelined<'s, S>(connection: &'s Connection, requests: S) -> AppendAnswers<'s>
where
    S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
{
    let pipeline = Pipeline {
        connection,
        requests,
        is_open: true,
        n_begun: 0,
        held: None,
        taken_along: Vec::new(),
        sent: VecDeque::new(),
        ready: VecDeque::new(),
    };
    futures::stream::unfold(Some(pipeline), |pipeline| async move {
        let mut pipeline = pipeline?;
        let answer = pipeline.next().await?;
        let goes_on = matches!(answer, Ok(Ok(_)));
        Some((answer, goes_on.then_some(pipeline)))
    })
    .boxed()
}

impl<S> Pipeline<'_, S>
where
    S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
{
    async fn next(&mut self) -> Option<Result<StreamAppendResult<Types>, RPCError<Types>>> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return Some(answer);
            }
            if !self.is_open && self.held.is_some() {
                self.send_held();
            }
            if !self.is_open && self.sent.is_empty() {
                return None;
            }
            let has_room = self.sent.len() < PEER_APPENDS_IN_FLIGHT_MAX;
            let held_until = self.held.as_ref().map(|held| held.until);
            tokio::select! {
                biased;
                response = first(&mut self.sent) => self.take(response),
                request = self.requests.next(), if self.is_open && has_room => match request {
                    Some(request) => self.begin(request),
                    None => self.is_open = false,
                },
                () = until(held_until) => self.send_held(),
            }
        }
    }

    /// The first request of a stream goes at once: it is a heartbeat, or a probe.
    fn begin(&mut self, request: Request) {
        let is_first = self.n_begun == 0;
        self.n_begun += 1;
        let held = self.held.take();
        if let Some(held) = &held {
            self.taken_along.push(Range::of(&held.request));
        }
        if request.entries.is_empty() && !is_first {
            let until = held.map_or_else(|| Instant::now() + PEER_COMMIT_PAUSE, |held| held.until);
            self.held = Some(Held { request, until });
            return;
        }
        let lane = lane_of(&request);
        self.send(&request, lane);
    }

    fn send_held(&mut self) {
        if let Some(held) = self.held.take() {
            // Behind the entries before it, or it would be about entries that are not there yet.
            self.send(&held.request, Lane::Data);
        }
    }

    fn send(&mut self, request: &Request, lane: Lane) {
        let asked = self.connection.begin_append(request, lane);
        let response = self.connection.append_response(asked, lane).boxed();
        self.sent.push_back(Sent {
            range: Range::of(request),
            taken_along: std::mem::take(&mut self.taken_along),
            response,
        });
    }

    /// Gives the answer to the oldest request, and to those that went with it.
    fn take(&mut self, response: Response) {
        let Some(sent) = self.sent.pop_front() else {
            return;
        };
        let response = match response {
            Ok(response) => response,
            Err(error) => return self.ready.push_back(Err(error)),
        };
        let is_whole = matches!(&response, AppendEntriesResponse::Success)
            || matches!(&response, AppendEntriesResponse::PartialSuccess(through) if *through == sent.range.last);
        if is_whole {
            let along = sent.taken_along.iter();
            self.ready.extend(along.map(|range| Ok(Ok(range.last))));
        } else if matches!(&response, AppendEntriesResponse::PartialSuccess(_)) {
            // What comes behind it does not follow from what is there: openraft begins a new stream.
            self.is_open = false;
            self.held = None;
            self.sent.clear();
        }
        let Range { previous, last } = sent.range;
        let result = response.into_stream_result(previous, last);
        self.ready.push_back(Ok(result));
    }
}

async fn first(sent: &mut VecDeque<Sent<'_>>) -> Response {
    match sent.front_mut() {
        Some(sent) => Pin::new(&mut sent.response).await,
        None => std::future::pending().await,
    }
}
