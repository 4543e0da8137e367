//! Any node for any request: enrolled through a follower, read during a failover, sent straight to leaders that move.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journey_client::wire::enroll_result::Status as EnrollStatus;
use journey_client::wire::event_result::Status;
use journey_client::wire::ingest_service_client::IngestServiceClient;
use journey_client::{Client, ClientError, ClusterClient, EventAnswers, wire};
use tests::{ClusterProcess, metric, slow_tests_wanted, wait_until};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic_types::StatusExt as _;

use crate::cluster_world::{HELLO, accept_in_time, client_of};
use crate::world::{counts, event, programs, publish};

const PARTITIONS: u32 = 4;

const CALLED: &str = "\
journey: called
entry: [ { api: enroll } ]
steps: { rest: { delay: 1d } }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_enroll_through_any_node() -> anyhow::Result<()> {
    const N_CUSTOMERS: usize = 24;
    let cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    publish(&client_of(&cluster, 0).await?, CALLED).await?;
    let request = |from: usize| wire::EnrollRequest {
        workspace: String::new(),
        journey: "called".to_owned(),
        customers: (0..N_CUSTOMERS)
            .map(|n| wire::Enrollment {
                customer_id: format!("c{from}-{n}"),
                id: "once".to_owned(),
                input: None,
            })
            .collect(),
    };
    for at in 0..3 {
        let results = client_of(&cluster, at)
            .await?
            .enroll(request(at))
            .await?
            .results;
        assert_eq!(results.len(), N_CUSTOMERS);
        let entered = |result: &wire::EnrollResult| result.status() == EnrollStatus::Entered;
        assert!(results.iter().all(entered), "{results:?}");
        // Whoever leads what: some of them had to be sent on, since no node leads everything.
        let partitions: BTreeSet<u32> = results.iter().map(|result| result.partition).collect();
        assert_eq!(partitions, (0..PARTITIONS).collect());
    }
    let n_most = metric(
        &cluster.nodes()[cluster.busiest()?],
        "raft_leader_partitions",
    )?;
    assert!(n_most < f64::from(PARTITIONS), "one node leads everything");
    for at in 0..3 {
        let client = client_of(&cluster, at).await?;
        let results = client.enroll(request((at + 1) % 3)).await?.results;
        let is_repeat = |result: &wire::EnrollResult| result.status() == EnrollStatus::Duplicate;
        assert!(results.iter().all(is_repeat), "{results:?}");
        let counts = counts(&client, "called").await?;
        assert_eq!(counts.entered, 3 * N_CUSTOMERS as u64);
    }
    Ok(())
}

/// Reads everything that can be read, once.
async fn read_all(client: &Client, n: usize) -> Result<(), ClientError> {
    let customer_id = format!("c{}", n % 20);
    let one = wire::GetCustomerRequest {
        customer_id: customer_id.clone(),
        ..Default::default()
    };
    client.get_customer(one).await?;
    let instances = wire::ListInstancesRequest {
        customer_id: customer_id.clone(),
        ..Default::default()
    };
    client.list_instances(instances).await?;
    let timeline = wire::GetTimelineRequest {
        customer_id,
        ..Default::default()
    };
    client.get_timeline(timeline).await?;
    client
        .list_customers(wire::ListCustomersRequest::default())
        .await?;
    client
        .list_journeys(wire::ListJourneysRequest::default())
        .await?;
    let counts = wire::GetJourneyCountsRequest {
        id: "hello".to_owned(),
        version: 0,
    };
    client.get_journey_counts(counts).await?;
    client
        .list_dead_letters(wire::ListSetAsideRequest::default())
        .await?;
    client
        .list_quarantined(wire::ListSetAsideRequest::default())
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_during_a_failover_are_answered() -> anyhow::Result<()> {
    let mut cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    publish(&client_of(&cluster, 0).await?, HELLO).await?;
    let client = client_of(&cluster, 0).await?;
    for n in 0..20 {
        accept_in_time(&client, event(&format!("c{n}"), "1", "signed_up")).await?;
    }
    for freezes in [true, false] {
        let busiest = cluster.busiest()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::new();
        for at in (0..3).filter(|at| *at != busiest) {
            let client = client_of(&cluster, at).await?;
            let stop = Arc::clone(&stop);
            readers.push(tokio::spawn(async move {
                let (mut n_rounds, mut slowest) = (0, Duration::ZERO);
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    read_all(&client, n_rounds).await?;
                    slowest = slowest.max(begun.elapsed());
                    n_rounds += 1;
                }
                Ok::<_, ClientError>((n_rounds, slowest))
            }));
        }
        if freezes {
            cluster.nodes()[busiest].freeze()?;
        } else {
            cluster.node(busiest).kill()?;
        }
        let others = (0..3).filter(|at| *at != busiest);
        let others: Vec<usize> = others.collect();
        let n_led = || {
            let led = others
                .iter()
                .map(|at| metric(&cluster.nodes()[*at], "raft_leader_partitions"));
            led.map(|led| led.unwrap_or(0.0)).sum::<f64>()
        };
        wait_until("the others to lead everything", || async {
            (n_led() >= f64::from(PARTITIONS)).then_some(())
        })
        .await?;
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            let (n_rounds, slowest) = reader.await??;
            assert!(n_rounds > 0);
            eprintln!(
                "{n_rounds} rounds of reads over a {} leader, the slowest in {} ms",
                if freezes { "frozen" } else { "killed" },
                slowest.as_millis()
            );
        }
        if freezes {
            cluster.nodes()[busiest].thaw()?;
        } else {
            cluster.node(busiest).restart()?;
        }
        cluster.wait_whole().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_a_minority_say_why_nobody_answers() -> anyhow::Result<()> {
    let cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    let mut nodes = vec![0, 1, 2];
    nodes.retain(|at| Some(*at) != cluster.busiest().ok());
    let alone = client_of(&cluster, nodes[0]).await?;
    for n in 0..20 {
        accept_in_time(&alone, event(&format!("c{n}"), "1", "seen")).await?;
    }
    let others = (0..3).filter(|at| *at != nodes[0]);
    for at in others.clone() {
        cluster.nodes()[at].freeze()?;
    }
    let listed = alone
        .list_customers(wire::ListCustomersRequest::default())
        .await;
    let Err(ClientError::Refused { status }) = listed else {
        anyhow::bail!("a minority answered for everything: {listed:?}");
    };
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    assert!(
        ["NOT_LEADER", "UNAVAILABLE"]
            .map(str::to_owned)
            .map(Some)
            .contains(&reason),
        "{status:?}"
    );
    assert!(details.retry_info().is_some(), "no advice: {status:?}");
    for at in others {
        cluster.nodes()[at].thaw()?;
    }
    let listed = alone
        .list_customers(wire::ListCustomersRequest::default())
        .await?;
    assert_eq!(listed.customers.len(), 20);
    Ok(())
}

/// Takes so many answers; per customer, what was accepted stands in the log in the order of sending.
async fn take_in_order(
    answers: &mut EventAnswers,
    n_customers: u64,
    n_events: u64,
) -> anyhow::Result<u64> {
    let mut indexes: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
    let mut n_repeats = 0;
    for _ in 0..n_events {
        let answer = answers.next().await?;
        let answer = answer.ok_or_else(|| anyhow::anyhow!("the answers ended"))?;
        match answer.result.status() {
            Status::Accepted => {
                let of_customer = indexes.entry(answer.number % n_customers).or_default();
                of_customer.insert(answer.number, answer.result.index);
            }
            Status::Duplicate => n_repeats += 1,
            Status::Rejected | Status::Unspecified => anyhow::bail!("{answer:?}"),
        }
    }
    for (customer, by_number) in indexes {
        let in_order: Vec<u64> = by_number.into_values().collect();
        assert!(in_order.is_sorted(), "customer {customer}: {in_order:?}");
    }
    Ok(n_repeats)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_goes_on_in_order_while_its_leaders_are_killed_and_frozen()
-> anyhow::Result<()> {
    const N_CUSTOMERS: u64 = 50;
    let n_events: u64 = if slow_tests_wanted() { 200_000 } else { 20_000 };
    let mut cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    // It knows one node, and hears of the others.
    let client = ClusterClient::new([cluster.addresses().swap_remove(0)])?;
    let (mut sender, mut answers) = client.events(wire::IngestMode::Live);
    let n_sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let sent = Arc::clone(&n_sent);
    // However quick it is, half of the events wait for the first fault, and a quarter for the second.
    let may_send = Arc::new(Semaphore::new(usize::try_from(n_events / 2)?));
    let may = Arc::clone(&may_send);
    let sending = tokio::spawn(async move {
        for n in 1..=n_events {
            may.acquire().await.expect("nobody closes it").forget();
            let customer = format!("c{}", n % N_CUSTOMERS);
            sender
                .send(event(&customer, &n.to_string(), "seen"))
                .await?;
            sent.store(n, Ordering::Relaxed);
        }
        Ok::<_, ClientError>(())
    });
    let taking = tokio::spawn(async move {
        let n_repeats = take_in_order(&mut answers, N_CUSTOMERS, n_events).await?;
        anyhow::ensure!(answers.next().await?.is_none(), "more answers than events");
        Ok(n_repeats)
    });
    for (part, kills) in [(1, true), (2, false)] {
        wait_until("some events to be sent", || async {
            (n_sent.load(Ordering::Relaxed) >= n_events * part / 4).then_some(())
        })
        .await?;
        // The node it knows stays: what is cut off is a leader, not the way in.
        let at = 1 + usize::from(!kills);
        anyhow::ensure!(!taking.is_finished(), "it ended before the fault");
        if kills {
            cluster.node(at).kill()?;
            may_send.add_permits(usize::try_from(n_events / 4)?);
            cluster.node(at).restart()?;
        } else {
            cluster.nodes()[at].freeze()?;
            may_send.add_permits(usize::try_from(n_events / 4)?);
            wait_until("another leader", || async {
                let led = [0, 1].map(|at| metric(&cluster.nodes()[at], "raft_leader_partitions"));
                let led: f64 = led.into_iter().map(|led| led.unwrap_or(0.0)).sum();
                (led >= f64::from(PARTITIONS)).then_some(())
            })
            .await?;
            cluster.nodes()[at].thaw()?;
        }
        cluster.wait_whole().await?;
    }
    sending.await??;
    let n_repeats = taking.await??;
    let mut n_seen = 0;
    let client = client_of(&cluster, 0).await?;
    for n in 0..N_CUSTOMERS {
        let request = wire::GetCustomerRequest {
            customer_id: format!("c{n}"),
            read: Some(wire::ReadOptions {
                linearizable: true,
                min_index: 0,
            }),
            ..Default::default()
        };
        let read = client.get_customer(request).await?.customer;
        n_seen += read.map_or(0, |customer| customer.sequence);
    }
    eprintln!("{n_events} events, {n_repeats} of them sent twice, {n_seen} facts");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_a_node_directly_is_told_who_leads() -> anyhow::Result<()> {
    let cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    let table = client_of(&cluster, 0)
        .await?
        .get_table(wire::GetTableRequest {})
        .await?;
    let leaders: BTreeMap<u32, &str> = table
        .partitions
        .iter()
        .map(|route| (route.partition, route.leader_address.as_str()))
        .collect();
    assert_eq!(leaders.len() as u64, u64::from(PARTITIONS));
    let mut n_redirects = 0;
    for node in cluster.nodes() {
        let channel = tonic::transport::Endpoint::from_shared(node.address().to_owned())?;
        let mut raw = IngestServiceClient::new(channel.connect().await?);
        let events = (0..40)
            .map(|n| event(&format!("c{n}"), "1", "seen"))
            .collect();
        let mut request = tonic::Request::new(wire::IngestRequest { events, mode: 0 });
        request.metadata_mut().insert("journey-hop", "1".parse()?);
        for result in raw.ingest(request).await?.into_inner().results {
            if result.status() != Status::Rejected {
                let own = node.address().trim_start_matches("http://");
                assert_eq!(leaders.get(&result.partition), Some(&own));
                continue;
            }
            n_redirects += 1;
            assert_eq!((result.reason.as_str(), result.retry), ("NOT_LEADER", true));
            assert!(
                leaders
                    .values()
                    .any(|leader| *leader == result.leader_address),
                "{result:?}"
            );
        }
    }
    assert_eq!(n_redirects, 80, "each event has one leader of three nodes");
    Ok(())
}
