//! The order of a stream over leaders that move and lanes that break.

use journey_proto::v1::event_result::Status as EventStatus;
use journey_proto::v1::ingest_service_server::{IngestService, IngestServiceServer};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Streaming};

use super::*;
use crate::router::HopChannels;

fn event(id: &str) -> wire::CustomerEvent {
    wire::CustomerEvent {
        customer_id: "ann".to_owned(),
        id: id.to_owned(),
        name: "seen".to_owned(),
        ..Default::default()
    }
}

fn there(node: u64) -> Way {
    Way::There(Leader {
        node: NodeId::new(node),
        address: format!("127.0.0.1:770{node}"),
    })
}

fn node_of(way: &Way) -> Option<u64> {
    match way {
        Way::There(leader) => Some(leader.node.get()),
        Way::Here | Way::Refused(..) => None,
    }
}

fn way(order: &mut PartitionOrder, id: &str, now: Way) -> Way {
    order.way(&event(id), Timestamp::from_unix_ms(1), || now)
}

fn is_refused_in_order(way: &Way) -> bool {
    matches!(way, Way::Refused(Refusal::RetryInOrder, ..))
}

fn result(retry: bool) -> wire::EventResult {
    let status = if retry {
        EventStatus::Rejected
    } else {
        EventStatus::Accepted
    };
    wire::EventResult {
        status: status.into(),
        retry,
        ..Default::default()
    }
}

#[test]
fn what_follows_something_under_way_takes_the_same_way() {
    let mut order = PartitionOrder::default();
    assert_eq!(node_of(&way(&mut order, "1", there(2))), Some(2));
    let out = Out::new(&order.n_out);
    // Another node leads by now: it is gone to when everything has come back.
    assert_eq!(node_of(&way(&mut order, "2", there(3))), Some(2));
    drop(out);
    assert_eq!(node_of(&way(&mut order, "3", there(3))), Some(3));
}

#[test]
fn nothing_goes_past_what_failed_until_it_is_sent_again() {
    let mut order = PartitionOrder::default();
    way(&mut order, "1", there(2));
    order.there.break_at(fingerprint(&event("1")));
    order.there.break_at(fingerprint(&event("2")));
    assert!(
        is_refused_in_order(&way(&mut order, "2", there(2))),
        "1 comes first"
    );
    assert!(is_refused_in_order(&way(&mut order, "3", there(3))));
    assert_eq!(node_of(&way(&mut order, "1", there(3))), Some(3));
    assert_eq!(
        node_of(&way(&mut order, "2", there(3))),
        Some(3),
        "taken up again"
    );
}

#[test]
fn an_event_for_which_there_is_no_way_holds_back_what_follows() {
    let mut order = PartitionOrder::default();
    let nowhere = Way::Refused(Refusal::NotLeader, "nobody leads".to_owned(), String::new());
    assert!(matches!(
        way(&mut order, "1", nowhere),
        Way::Refused(Refusal::NotLeader, ..)
    ));
    assert!(is_refused_in_order(&way(&mut order, "2", there(2))));
    assert_eq!(node_of(&way(&mut order, "1", there(2))), Some(2));
}

#[test]
fn each_partition_breaks_at_its_own_first_failure() {
    let partition = PartitionId::new;
    let orders: BTreeMap<PartitionId, Arc<OrderThere>> = (0..3)
        .map(|number| (partition(number), Arc::default()))
        .collect();
    let events = [(0, 10), (1, 11), (0, 12), (1, 13), (2, 14)];
    let events = events.map(|(number, event)| (partition(number), event));
    let broken_at = |number| *orders[&partition(number)].broken_at.lock();
    let answered = [false, true, true, false, false].map(result).to_vec();
    note_failures(&Ok(answered), &events, &orders);
    assert_eq!([0, 1, 2].map(broken_at), [Some(12), Some(11), None]);
    // A lane that broke: everything on it has failed, and the earliest stays.
    note_failures(&Err(Status::unavailable("it broke")), &events, &orders);
    assert_eq!([0, 1, 2].map(broken_at), [Some(12), Some(11), Some(14)]);
}

/// Answers so many batches and then breaks off.
struct FakeNode {
    n_answered: usize,
}

#[tonic::async_trait]
impl IngestService for FakeNode {
    async fn ingest(
        &self,
        _request: Request<wire::IngestRequest>,
    ) -> Result<Response<wire::IngestResponse>, Status> {
        Err(Status::unimplemented("lanes are streams"))
    }

    type IngestStreamStream =
        futures::stream::BoxStream<'static, Result<wire::IngestStreamResponse, Status>>;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<wire::IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        assert!(request.metadata().contains_key("journey-hop"));
        let batches = request.into_inner().take(self.n_answered + 1);
        let n_answered = self.n_answered as u64;
        let answers = batches.map(move |batch| {
            let batch = batch?;
            if batch.batch > n_answered {
                return Err(Status::unavailable("it broke"));
            }
            let results = batch.events.iter().map(|event| wire::EventResult {
                message: event.id.clone(),
                ..result(false)
            });
            Ok(wire::IngestStreamResponse {
                batch: batch.batch,
                results: results.collect(),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// A lane to a node that answers so many batches.
async fn lane_to(n_answered: usize) -> (mpsc::Sender<Sent>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(IngestServiceServer::new(FakeNode { n_answered }))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
    let (shares, queue) = mpsc::channel(LANE_BATCHES_MAX);
    (shares, tokio::spawn(run_lane(channel, queue)))
}

async fn send(shares: &mpsc::Sender<Sent>, id: &str) -> oneshot::Receiver<Vec<wire::EventResult>> {
    let (answers, receiver) = oneshot::channel();
    let sent = Sent {
        events: vec![event(id)],
        mode: IngestMode::Live,
        answers,
    };
    assert!(shares.send(sent).await.is_ok());
    receiver
}

#[tokio::test]
async fn each_share_on_a_lane_has_its_own_answer_even_when_another_was_given_up() {
    let (shares, lane) = lane_to(3).await;
    let first = send(&shares, "1").await;
    drop(send(&shares, "2").await);
    let third = send(&shares, "3").await;
    assert_eq!(first.await.unwrap()[0].message, "1");
    assert_eq!(third.await.unwrap()[0].message, "3");
    drop(shares);
    lane.await.unwrap();
}

#[tokio::test]
async fn a_lane_that_breaks_leaves_the_rest_without_an_answer_and_takes_nothing_more() {
    let (shares, lane) = lane_to(1).await;
    let first = send(&shares, "1").await;
    assert_eq!(first.await.unwrap()[0].message, "1");
    let (second, third) = (send(&shares, "2").await, send(&shares, "3").await);
    assert!(second.await.is_err(), "its outcome is unknown");
    assert!(third.await.is_err());
    lane.await.unwrap();
    assert!(
        shares.is_closed(),
        "what follows is refused, not sent past them"
    );
}

#[tokio::test]
async fn a_lane_to_a_node_that_says_nothing_is_given_up_before_its_deadline() {
    // It takes connections, as the kernel of a frozen process does, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let leader = Leader {
        node: NodeId::new(2),
        address: silent.local_addr().unwrap().to_string(),
    };
    let channel = HopChannels::default().of(&leader).unwrap();
    let (shares, queue) = mpsc::channel(LANE_BATCHES_MAX);
    let lane = tokio::spawn(run_lane(channel, queue));
    let begun = tokio::time::Instant::now();
    let answer = send(&shares, "1").await;
    assert!(answer.await.is_err());
    lane.await.unwrap();
    assert!(begun.elapsed() < HOP_ANSWER_MAX, "{:?}", begun.elapsed());
}
