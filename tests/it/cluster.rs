//! Three nodes and more: every customer on each, any of them killed, frozen, cut down to a minority, joined by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_client::wire::event_result::Status;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, ClusterClient, WorkerMessage, wire};
use tests::{ClusterProcess, JOURNEYS, metric, slow_tests_wanted, wait_until};

use crate::cluster_world::{HELLO, accept_in_time};
use crate::kill::{Shared, n_runs, produce, work};
use crate::world::{counts, event, programs, publish};

const PARTITIONS: u32 = 4;
/// Enough that each partition has some.
const CUSTOMERS: usize = 40;

async fn clients(cluster: &ClusterProcess) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::new();
    for address in cluster.addresses() {
        clients.push(Client::connect(&address).await?);
    }
    Ok(clients)
}

fn customer(n: usize) -> String {
    format!("c{n}")
}

/// One event for each of the customers, sent until each is accepted.
async fn send_to_all(nodes: &ClusterClient, id: &str, name: &str) -> anyhow::Result<()> {
    let events = (0..CUSTOMERS).map(|n| event(&customer(n), id, name));
    let results = nodes
        .ingest(events.collect(), wire::IngestMode::Live)
        .await?;
    for result in results {
        let stands = [Status::Accepted, Status::Duplicate].contains(&result.status());
        anyhow::ensure!(stands, "{result:?}");
    }
    Ok(())
}

async fn wait_customers(cluster: &ClusterProcess, at: usize, n: usize) -> anyhow::Result<()> {
    let name = "journey_customers";
    let n = u32::try_from(n).map(f64::from)?;
    wait_until(
        &format!("node {} to hold {n} customers", at + 1),
        || async { (metric(&cluster.nodes()[at], name).ok()? >= n).then_some(()) },
    )
    .await
    .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_hold_every_customer_and_any_node_takes_any_request() -> anyhow::Result<()> {
    let cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    let clients = clients(&cluster).await?;
    // Published at one node, live at every one.
    publish(&clients[1], HELLO).await?;
    for n in 0..CUSTOMERS {
        accept_in_time(&clients[n % 3], event(&customer(n), "1", "signed_up")).await?;
    }
    for at in 0..3 {
        wait_customers(&cluster, at, CUSTOMERS).await?;
    }
    for client in &clients {
        let counts = counts(client, "hello").await?;
        assert_eq!(counts.entered, CUSTOMERS as u64, "{counts:?}");
        let request = wire::ListCustomersRequest::default();
        let listed = client.list_customers(request).await?.customers;
        assert_eq!(listed.len(), CUSTOMERS);
    }
    let request = wire::GetCustomerRequest {
        customer_id: customer(7),
        ..Default::default()
    };
    for client in &clients {
        let read = client.get_customer(request.clone()).await?.customer;
        assert_eq!(read.map(|read| read.customer_id), Some(customer(7)));
    }
    // A worker at one node takes the effects of all.
    let mut session = clients[2].work(wire::Subscribe::default()).await?;
    let mut n_recorded = 0;
    while n_recorded < CUSTOMERS {
        match session.next().await? {
            WorkerMessage::Effect(effect) => {
                let outcome = wire::Outcome {
                    effect_id: effect.effect_id,
                    attempt: effect.attempt,
                    result: Outcome::Sent.into(),
                    ..Default::default()
                };
                session.settle(vec![outcome]).await?;
            }
            WorkerMessage::Results(results) => {
                assert!(results.iter().all(|result| !result.retry), "{results:?}");
                n_recorded += results.len();
            }
        }
    }
    let counts = counts(&clients[0], "hello").await?;
    assert_eq!(counts.completed, CUSTOMERS as u64);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_busiest_node_under_load_loses_nothing_and_doubles_nothing()
-> anyhow::Result<()> {
    let mut cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    publish(&clients(&cluster).await?[0], JOURNEYS).await?;
    let oracle = Shared::default();
    let (stop_producing, stop_working) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let producer = tokio::spawn(produce(
        cluster.addresses(),
        Arc::clone(&oracle),
        Arc::clone(&stop_producing),
    ));
    let worker = tokio::spawn(work(
        cluster.addresses(),
        Arc::clone(&oracle),
        Arc::clone(&stop_working),
    ));
    let rounds = if slow_tests_wanted() { 30 } else { 2 };
    for round in 0..rounds {
        let target = oracle.lock().await.acknowledged.len() + 100;
        wait_until("events to be acknowledged", || async {
            (oracle.lock().await.acknowledged.len() >= target).then_some(())
        })
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
        let busiest = cluster.busiest()?;
        let n_led = metric(&cluster.nodes()[busiest], "raft_leader_partitions")?;
        cluster.node(busiest).kill()?;
        let killed = tokio::time::Instant::now();
        let addresses = cluster.addresses();
        let others = addresses.iter().enumerate();
        let others = others.filter(|(at, _)| *at != busiest);
        let nodes = ClusterClient::new(others.map(|(_, address)| address.clone()))?;
        send_to_all(&nodes, &format!("probe{round}"), "seen").await?;
        let took = killed.elapsed();
        eprintln!(
            "round {round}: killed node {} which led {n_led}; every partition writes again after {} ms",
            busiest + 1,
            took.as_millis()
        );
        cluster.node(busiest).restart()?;
        cluster.wait_whole().await?;
    }
    stop_producing.store(true, Ordering::Relaxed);
    producer.await??;
    let n_sent = oracle.lock().await.n_sent;
    let (n_twice, n_questions) = (n_runs("twice", n_sent), n_runs("question", n_sent));
    let client = &clients(&cluster).await?[0];
    for (journey, n) in [("twice", n_twice), ("question", n_questions)] {
        let what = format!("every instance of {journey} to complete");
        let all = wait_until(&what, || async {
            let counts = counts(client, journey).await.ok()?;
            (counts.completed == n).then_some(())
        });
        all.await
            .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    }
    let n_effects = usize::try_from(n_twice * 2 + n_questions)?;
    wait_until("every effect to be handed over", || async {
        (oracle.lock().await.effects.len() == n_effects).then_some(())
    })
    .await?;
    stop_working.store(true, Ordering::Relaxed);
    worker.await??;
    let twice = counts(client, "twice").await?;
    assert_eq!((twice.entered, twice.timers_fired), (n_twice, n_twice));
    let question = counts(client, "question").await?;
    assert_eq!(question.entered, n_questions);
    assert_eq!(question.messages["thanks"], n_questions);
    let oracle = oracle.lock().await;
    assert_eq!(oracle.acknowledged.len() as u64, n_sent);
    for (instance, ids) in &oracle.effects {
        assert_eq!(ids.len(), 1, "several ids of {instance:?}: {ids:?}");
    }
    eprintln!("{n_sent} events, {n_effects} effects over {rounds} kills");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_refuses_and_goes_on_when_it_is_none_any_more() -> anyhow::Result<()> {
    let cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    let nodes = ClusterClient::new(cluster.addresses())?;
    send_to_all(&nodes, "before", "seen").await?;
    cluster.nodes()[1].freeze()?;
    cluster.nodes()[2].freeze()?;
    // No majority acknowledges anything: what is sent is refused for now, or its outcome is unknown.
    let alone = Client::connect(cluster.nodes()[0].address()).await?;
    for n in 0..4 {
        let request = wire::IngestRequest {
            events: vec![event(&customer(n), "while", "seen")],
            mode: 0,
        };
        match alone.ingest(request).await {
            Ok(answered) => {
                let result = &answered.results[0];
                assert!(
                    result.status() == Status::Rejected && result.retry,
                    "{result:?}"
                );
                assert!(!result.reason.is_empty() && !result.message.is_empty());
            }
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    cluster.nodes()[1].thaw()?;
    cluster.nodes()[2].thaw()?;
    // The same ids again: each takes effect once, whatever became of it before.
    send_to_all(&nodes, "while", "seen").await?;
    for client in clients(&cluster).await? {
        let read = wire::GetCustomerRequest {
            customer_id: customer(0),
            read: Some(wire::ReadOptions {
                linearizable: true,
                min_index: 0,
            }),
            ..Default::default()
        };
        let read = wait_until("a linearizable read", || async {
            client.get_customer(read.clone()).await.ok()?.customer
        })
        .await?;
        assert_eq!(read.customer_id, customer(0));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_comes_back_and_catches_up() -> anyhow::Result<()> {
    let mut cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    let nodes = ClusterClient::new(cluster.addresses())?;
    accept_in_time(&nodes.client().await?, event("first", "1", "seen")).await?;
    cluster.node(2).kill()?;
    send_to_all(&nodes, "1", "seen").await?;
    cluster.node(2).restart()?;
    wait_customers(&cluster, 2, CUSTOMERS + 1).await?;
    cluster.wait_whole().await?;
    // It takes its part: without one of the others it is half of the majority.
    cluster.node(1).kill()?;
    let addresses = [0, 2].map(|at| cluster.nodes()[at].address().to_owned());
    let nodes = ClusterClient::new(addresses)?;
    send_to_all(&nodes, "2", "seen").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fourth_node_takes_its_share_without_a_failed_request() -> anyhow::Result<()> {
    let mut cluster = ClusterProcess::start(&programs(), 3, 8).await?;
    let addresses = cluster.addresses();
    let stop = Arc::new(AtomicBool::new(false));
    let is_stopped = Arc::clone(&stop);
    let traffic = tokio::spawn(async move {
        let nodes = ClusterClient::new(addresses)?;
        let mut n_rounds = 0_u32;
        while !is_stopped.load(Ordering::Relaxed) {
            n_rounds += 1;
            send_to_all(&nodes, &format!("t{n_rounds}"), "seen").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, anyhow::Error>(n_rounds)
    });
    cluster.join()?;
    let share = wait_until("the fourth node to have its share", || async {
        let n_voting = metric(&cluster.nodes()[3], "raft_voting_replicas").ok()?;
        // 8 partitions with 3 replicas on 4 nodes: 6 each, one more or less.
        (n_voting >= 5.0).then_some(())
    });
    share
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    cluster.wait_whole().await?;
    stop.store(true, Ordering::Relaxed);
    let n_rounds = traffic.await??;
    assert!(n_rounds > 0);
    // Whatever lies where: every node answers for every customer.
    for client in clients(&cluster).await? {
        let listed = client
            .list_customers(wire::ListCustomersRequest::default())
            .await?
            .customers;
        assert_eq!(listed.len(), CUSTOMERS);
    }
    Ok(())
}
