//! A client against nodes that say what each test tells them to.

mod fake_cluster;

use std::time::Duration;

use journey_proto::v1 as wire;
use wire::event_result::Status;

use self::fake_cluster::{FakeCluster, N_PARTITIONS};
use super::dispatch::Dispatch;
use super::*;

fn event(customer: u32, id: u32) -> wire::CustomerEvent {
    wire::CustomerEvent {
        customer_id: format!("c{customer}"),
        id: id.to_string(),
        name: "seen".to_owned(),
        ..Default::default()
    }
}

/// Events of so many customers, in turn.
fn events(n_customers: u32, n_each: u32) -> Vec<wire::CustomerEvent> {
    let each = (0..n_each).flat_map(|id| (0..n_customers).map(move |customer| (customer, id)));
    each.map(|(customer, id)| event(customer, id)).collect()
}

fn all_accepted(results: &[wire::EventResult]) -> bool {
    results
        .iter()
        .all(|result| result.status() == Status::Accepted)
}

#[tokio::test]
async fn each_event_goes_straight_to_the_leader_of_its_customer() {
    let cluster = FakeCluster::start(3).await;
    let client = ClusterClient::new([cluster.address(0)]).unwrap();
    let results = client
        .ingest(events(40, 3), wire::IngestMode::Live)
        .await
        .unwrap();
    assert!(all_accepted(&results), "{results:?}");
    let seen = cluster.seen();
    assert_eq!(seen.n_accepted, 120);
    assert_eq!(seen.n_redirects, 0);
    assert_eq!(seen.n_hops, 0, "none had to be sent on");
    assert!(
        seen.n_by_node.values().all(|n| *n > 0),
        "{:?}",
        seen.n_by_node
    );
    seen.assert_in_order();
}

#[tokio::test]
async fn a_redirect_is_followed_and_remembered() {
    let cluster = FakeCluster::start(3).await;
    let client = ClusterClient::new([cluster.address(0)]).unwrap();
    client
        .ingest(events(40, 1), wire::IngestMode::Live)
        .await
        .unwrap();
    for partition in 0..N_PARTITIONS {
        cluster.lead(partition, 2);
    }
    let results = client
        .ingest(events(40, 2)[40..].to_vec(), wire::IngestMode::Live)
        .await;
    assert!(all_accepted(&results.unwrap()));
    let n_redirects = cluster.seen().n_redirects;
    assert!(n_redirects > 0, "the table was old");
    let results = client
        .ingest(events(40, 3)[80..].to_vec(), wire::IngestMode::Live)
        .await;
    assert!(all_accepted(&results.unwrap()));
    assert_eq!(cluster.seen().n_redirects, n_redirects, "it knows by now");
    cluster.seen().assert_in_order();
}

#[tokio::test]
async fn what_is_behind_a_failed_event_waits_for_it() {
    let cluster = FakeCluster::start(2).await;
    for id in [0, 3, 7] {
        cluster.fail("c5", &id.to_string(), 2);
    }
    let client = ClusterClient::new([cluster.address(1)]).unwrap();
    let results = client
        .ingest(events(10, 12), wire::IngestMode::Live)
        .await
        .unwrap();
    assert!(all_accepted(&results), "{results:?}");
    let seen = cluster.seen();
    assert_eq!(seen.n_failures, 6);
    assert_eq!(seen.n_accepted, 120, "nothing twice");
    seen.assert_in_order();
}

#[tokio::test]
async fn a_node_that_is_gone_is_gone_around() {
    let cluster = FakeCluster::start(3).await;
    let client = ClusterClient::new([cluster.address(0), cluster.address(1)]).unwrap();
    client
        .ingest(events(40, 1), wire::IngestMode::Live)
        .await
        .unwrap();
    cluster.stop(2).await;
    for partition in 0..N_PARTITIONS {
        cluster.lead(partition, partition as usize % 2);
    }
    let results = client
        .ingest(events(40, 2)[40..].to_vec(), wire::IngestMode::Live)
        .await;
    assert!(all_accepted(&results.unwrap()));
    cluster.seen().assert_in_order();
}

#[tokio::test]
async fn an_event_that_fails_for_too_long_holds_back_what_is_behind_it_until_it_comes_again() {
    let cluster = FakeCluster::start(1).await;
    cluster.fail("c1", "0", u32::MAX);
    let client = ClusterClient::new([cluster.address(0)]).unwrap();
    let nodes = Arc::clone(&client.nodes);
    let span = Duration::from_millis(50);
    let options = DispatchOptions {
        span,
        ..client.options(wire::IngestMode::Live)
    };
    let mut dispatch = Dispatch::begin(nodes, options).await;
    dispatch.add(1, event(1, 0));
    dispatch.add(2, event(1, 1));
    let mut results = Vec::new();
    while results.len() < 2 {
        results.extend(dispatch.next().await.unwrap());
    }
    assert!(
        results.iter().all(|(_, result)| result.retry),
        "{results:?}"
    );
    assert_eq!(results[0].1.reason, "OUTCOME_UNKNOWN");
    assert_eq!(results[1].1.reason, "RETRY_IN_ORDER");
    dispatch.add(3, event(1, 2));
    let refused = dispatch.next().await.unwrap();
    assert_eq!(refused[0].1.reason, "RETRY_IN_ORDER", "not even tried");
    cluster.fail("c1", "0", 0);
    for (number, id) in [(4, 0), (5, 1), (6, 2)] {
        dispatch.add(number, event(1, id));
    }
    let mut results = Vec::new();
    while results.len() < 3 {
        results.extend(dispatch.next().await.unwrap());
    }
    assert!(
        results.iter().all(|(_, result)| !result.retry),
        "{results:?}"
    );
    cluster.seen().assert_in_order();
}

#[tokio::test]
async fn a_stream_of_events_keeps_each_customer_in_order_while_leaders_move() {
    let cluster = FakeCluster::start(3).await;
    for id in 0..50 {
        cluster.fail(&format!("c{}", id % 7), &id.to_string(), 1);
    }
    let client = ClusterClient::new([cluster.address(0)]).unwrap();
    let (mut sender, mut answers) = client.events(wire::IngestMode::Live);
    let all = events(7, 300);
    let n_events = all.len();
    let sending = tokio::spawn(async move {
        for event in all {
            sender.send(event).await.unwrap();
        }
    });
    let mut n_answered = 0;
    while let Some(answer) = answers.next().await.unwrap() {
        assert_eq!(answer.result.status(), Status::Accepted, "{answer:?}");
        n_answered += 1;
        if n_answered % 100 == 0 {
            cluster.lead(
                n_answered / 100 % N_PARTITIONS,
                (n_answered / 300) as usize % 3,
            );
        }
    }
    sending.await.unwrap();
    assert_eq!(n_answered as usize, n_events);
    let seen = cluster.seen();
    assert_eq!(seen.n_accepted, n_events);
    seen.assert_in_order();
}

#[tokio::test]
async fn a_node_without_a_table_still_takes_events() {
    let cluster = FakeCluster::start(1).await;
    cluster.tell_nothing();
    let client = ClusterClient::new([cluster.address(0)]).unwrap();
    let results = client
        .ingest(events(5, 5), wire::IngestMode::Live)
        .await
        .unwrap();
    assert!(all_accepted(&results));
    cluster.seen().assert_in_order();
}

#[tokio::test]
async fn a_call_that_is_safe_to_repeat_goes_on_at_another_node() {
    let cluster = FakeCluster::start(2).await;
    let client = ClusterClient::new([cluster.address(0), cluster.address(1)]).unwrap();
    cluster.stop(0).await;
    let request = || wire::GetTableRequest {};
    let table = client
        .repeat(|client| async move { client.get_table(request()).await })
        .await
        .unwrap();
    assert_eq!(table.partitions.len(), N_PARTITIONS as usize);
}

#[tokio::test]
async fn a_node_that_takes_connections_and_says_nothing_is_gone_around() {
    // As the kernel of a frozen process does.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let cluster = FakeCluster::start(2).await;
    let client = ClusterClient::new([silent, cluster.address(1)]).unwrap();
    let begun = Instant::now();
    let results = client
        .ingest(events(10, 3), wire::IngestMode::Live)
        .await
        .unwrap();
    assert!(all_accepted(&results), "{results:?}");
    assert!(begun.elapsed() < ATTEMPT_MAX, "{:?}", begun.elapsed());
    cluster.seen().assert_in_order();
}

#[tokio::test]
async fn a_leader_that_says_nothing_is_left_when_another_one_leads() {
    let cluster = FakeCluster::start(3).await;
    let client = ClusterClient::new([cluster.address(0)]).unwrap();
    let first = client.ingest(events(40, 1), wire::IngestMode::Live).await;
    assert!(all_accepted(&first.unwrap()));
    cluster.silence(2);
    let sending = client.ingest(events(40, 2)[40..].to_vec(), wire::IngestMode::Live);
    let electing = async {
        while cluster.seen().n_unanswered == 0 {
            tokio::task::yield_now().await;
        }
        for partition in 0..N_PARTITIONS {
            cluster.lead(partition, partition as usize % 2);
        }
    };
    let begun = Instant::now();
    let (results, ()) = tokio::join!(sending, electing);
    assert!(all_accepted(&results.unwrap()));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(cluster.seen().n_accepted, 80);
    cluster.seen().assert_in_order();
}
