//! Events without an end: sent one by one, batched on their way, answered one by one.

use std::sync::Arc;

use journey_proto::v1 as wire;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::dispatch::{Dispatch, DispatchOptions, EventNumber};
use super::nodes::Nodes;
use crate::error::ClientError;
use crate::limits::EVENTS_UNANSWERED_MAX;

/// Where events go in. Dropping it ends the stream once everything sent has its answer.
#[derive(Debug)]
pub struct EventSender {
    events: mpsc::Sender<Added>,
    room: Arc<Semaphore>,
    n_sent: EventNumber,
}

/// Where answers come out.
#[derive(Debug)]
pub struct EventAnswers {
    answers: mpsc::Receiver<Result<EventAnswer, ClientError>>,
}

/// What became of one event.
#[derive(Debug)]
pub struct EventAnswer {
    /// The number that [`EventSender::send`] gave it.
    pub number: u64,
    /// An answer that stands, or the last one after half a minute of failing: then `retry` is set.
    pub result: wire::EventResult,
    _room: OwnedSemaphorePermit,
}

struct Added {
    number: EventNumber,
    event: wire::CustomerEvent,
    room: OwnedSemaphorePermit,
}

/// A stream with its task.
pub(super) fn open(nodes: Arc<Nodes>, options: DispatchOptions) -> (EventSender, EventAnswers) {
    let (events, queue) = mpsc::channel(EVENTS_UNANSWERED_MAX);
    // Room for all that may be unanswered, so that nothing waits for an answer to be taken.
    let (sender, answers) = mpsc::channel(EVENTS_UNANSWERED_MAX + 1);
    let room = Arc::new(Semaphore::new(EVENTS_UNANSWERED_MAX));
    tokio::spawn(run(nodes, options, queue, sender));
    let sender = EventSender {
        events,
        room,
        n_sent: 0,
    };
    (sender, EventAnswers { answers })
}

impl EventSender {
    /// Sends an event and returns its number, 1 for the first. Waits while so many are unanswered, or answered and not
    /// taken, that memory would grow: take answers meanwhile.
    ///
    /// # Errors
    /// [`ClientError::StreamEnded`]: the answers say why.
    ///
    /// # Cancel safety
    /// Safe: the event was not sent.
    pub async fn send(&mut self, event: wire::CustomerEvent) -> Result<u64, ClientError> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.map_err(|_| ClientError::StreamEnded)?;
        let number = self.n_sent + 1;
        let added = Added {
            number,
            event,
            room,
        };
        // There is room for as many as there are permits.
        self.events
            .try_send(added)
            .map_err(|_| ClientError::StreamEnded)?;
        self.n_sent = number;
        Ok(number)
    }
}

impl EventAnswers {
    /// Waits for the next answer; `None` when the sender is gone and all is answered. Answers of different partitions
    /// come in no order.
    ///
    /// # Errors
    /// What no repeat can mend; nothing more comes then.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn next(&mut self) -> Result<Option<EventAnswer>, ClientError> {
        self.answers.recv().await.transpose()
    }
}

async fn run(
    nodes: Arc<Nodes>,
    options: DispatchOptions,
    mut queue: mpsc::Receiver<Added>,
    answers: mpsc::Sender<Result<EventAnswer, ClientError>>,
) {
    let mut dispatch = Dispatch::begin(nodes, options).await;
    let mut rooms = std::collections::BTreeMap::new();
    let mut goes_on = true;
    while goes_on || !rooms.is_empty() {
        tokio::select! {
            biased;
            added = queue.recv(), if goes_on => match added {
                None => goes_on = false,
                Some(Added { number, event, room }) => {
                    rooms.insert(number, room);
                    dispatch.add(number, event);
                }
            },
            done = dispatch.next(), if !rooms.is_empty() => {
                let done = match done {
                    Ok(done) => done,
                    Err(error) => {
                        // Whoever took no answers for so long does not wait for this one.
                        drop(answers.send(Err(error)).await);
                        return;
                    }
                };
                for (number, result) in done {
                    let Some(room) = rooms.remove(&number) else { continue };
                    let answer = EventAnswer { number, result, _room: room };
                    if answers.send(Ok(answer)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
