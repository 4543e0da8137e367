//! Any node for any request: enrolled through a follower, read during a failover, sent straight to leaders that move; and
//! workers whose leaders, or whose own node, go away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use journey_client::wire::enroll_result::Status as EnrollStatus;
use journey_client::wire::event_result::Status;
use journey_client::wire::ingest_service_client::IngestServiceClient;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::wire::worker_service_client::WorkerServiceClient;
use journey_client::{Client, ClientError, ClusterClient, EventAnswers, WorkerMessage, wire};
use tests::{ClusterProcess, metric, slow_tests_wanted, wait_until};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tonic_types::StatusExt as _;

use crate::world::{World, accept, counts, event, programs, publish};

const PARTITIONS: u32 = 4;

const CALLED: &str = "\
journey: called
entry: [ { api: enroll } ]
steps: { rest: { delay: 1d } }
";

const HELLO: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps:
  greet: { message: { content: hi, channels: [push], await: sent }, next: end, on_error: end }
---
content: hi
variants: [ { channel: push, body: Hey } ]
";

/// A message that is not worth sending after a while.
const SOON: &str = "\
journey: soon
entry: [ { event: signed_up } ]
steps:
  greet: { message: { content: hi, channels: [push], await: sent }, timeout: { after: 3s, next: end }, next: end, on_error: end }
---
content: hi
variants: [ { channel: push, body: Hey } ]
";

async fn client_of(cluster: &ClusterProcess, at: usize) -> anyhow::Result<Client> {
    Ok(Client::connect(cluster.nodes()[at].address()).await?)
}

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
        accept(&client, event(&format!("c{n}"), "1", "signed_up")).await?;
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
        accept(&alone, event(&format!("c{n}"), "1", "seen")).await?;
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

/// What workers were handed over: who got which attempt of which effect, and the effect ids of each customer.
#[derive(Debug, Default)]
struct Handed {
    to: BTreeMap<(String, u32), Vec<&'static str>>,
    ids: BTreeMap<String, BTreeSet<String>>,
    n_by_worker: BTreeMap<&'static str, u64>,
}

impl Handed {
    fn note(&mut self, worker: &'static str, effect: &wire::Effect) {
        let attempt = (effect.effect_id.clone(), effect.attempt);
        self.to.entry(attempt).or_default().push(worker);
        let ids = self.ids.entry(effect.customer_id.clone()).or_default();
        ids.insert(effect.effect_id.clone());
        *self.n_by_worker.entry(worker).or_default() += 1;
    }

    /// Whether each claim was of one worker, and each customer's effect has one id.
    fn assert_exclusive(&self) {
        for (attempt, workers) in &self.to {
            assert_eq!(
                workers.len(),
                1,
                "{attempt:?} was handed over to {workers:?}"
            );
        }
        for (customer, ids) in &self.ids {
            assert_eq!(ids.len(), 1, "{customer}: {ids:?}");
        }
    }
}

fn sent(effect: &wire::Effect) -> wire::Outcome {
    wire::Outcome {
        effect_id: effect.effect_id.clone(),
        attempt: effect.attempt,
        result: Outcome::Sent.into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sees_every_effect_while_leaders_and_its_own_node_are_killed() -> anyhow::Result<()>
{
    const N_EACH: usize = 60;
    let mut cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    publish(&client_of(&cluster, 0).await?, HELLO).await?;
    let client = ClusterClient::new(cluster.addresses())?;
    let mut worker = client.work(wire::Subscribe::default());
    let handed = Arc::new(Mutex::new((Handed::default(), String::new(), 0)));
    let shared = Arc::clone(&handed);
    let working = tokio::spawn(async move {
        loop {
            let message = worker.next().await?;
            let mut handed = shared.lock().await;
            handed.1 = worker.address().unwrap_or_default().to_owned();
            handed.2 = worker.n_sessions();
            if let WorkerMessage::Effect(effect) = message {
                handed.0.note("worker", &effect);
                drop(handed);
                worker.settle(vec![sent(&effect)]).await;
            }
        }
        #[expect(unreachable_code, reason = "says what the task fails with")]
        Ok::<(), ClientError>(())
    });
    let mut n_sent = 0;
    for round in 0..3 {
        // First a node that it is not connected to, then its own, then nothing more.
        let at = handed.lock().await.1.clone();
        let own = cluster
            .addresses()
            .iter()
            .position(|address| *address == at);
        let victim = match (round, own) {
            (0, _) => None,
            (1, Some(own)) => Some((own + 1) % 3),
            (_, own) => own,
        };
        let killing = async {
            let events = (0..N_EACH).map(|n| event(&format!("r{round}-{n}"), "1", "signed_up"));
            client
                .ingest(events.collect(), wire::IngestMode::Live)
                .await
        };
        if let Some(victim) = victim {
            cluster.node(victim).kill()?;
        }
        let results = killing.await?;
        assert!(results.iter().all(|result| !result.retry), "{results:?}");
        n_sent += N_EACH;
        // What was claimed for a node that is gone comes again when its claim has run out.
        wait_until("every effect of the round", || async {
            (handed.lock().await.0.ids.len() == n_sent).then_some(())
        })
        .await
        .map_err(|error| anyhow::anyhow!("round {round}: {error}\n{}", cluster.logs()))?;
        if let Some(victim) = victim {
            cluster.node(victim).restart()?;
            cluster.wait_whole().await?;
        }
    }
    let any = client_of(&cluster, 0).await?;
    wait_until("every outcome to be recorded", || async {
        let counts = counts(&any, "hello").await.ok()?;
        (counts.completed == n_sent as u64).then_some(())
    })
    .await?;
    assert!(!working.is_finished(), "the worker gave up");
    working.abort();
    let handed = handed.lock().await;
    assert!(
        handed.2 >= 2,
        "its own node was killed: {} sessions",
        handed.2
    );
    handed.0.assert_exclusive();
    Ok(())
}

/// The node behind another one, in turn.
fn after(nodes: &[u64], node: u64) -> u64 {
    let at = nodes.iter().position(|other| *other == node);
    nodes[at.map_or(0, |at| (at + 1) % nodes.len())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_and_a_stream_of_events_go_on_while_every_leader_is_moved() -> anyhow::Result<()> {
    const N_EACH: usize = 40;
    let cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    publish(&client_of(&cluster, 0).await?, HELLO).await?;
    let client = ClusterClient::new(cluster.addresses())?;
    let mut worker = client.work(wire::Subscribe::default());
    let handed = Arc::new(Mutex::new(Handed::default()));
    let shared = Arc::clone(&handed);
    let working = tokio::spawn(async move {
        loop {
            if let WorkerMessage::Effect(effect) = worker.next().await? {
                shared.lock().await.note("worker", &effect);
                worker.settle(vec![sent(&effect)]).await;
            }
        }
        #[expect(unreachable_code, reason = "says what the task fails with")]
        Ok::<(), ClientError>(())
    });
    let any = client_of(&cluster, 0).await?;
    let table = any.get_table(wire::GetTableRequest {}).await?;
    let nodes: Vec<u64> = table.nodes.iter().map(|node| node.node).collect();
    assert_eq!(nodes.len(), 3);
    let (mut n_sent, mut n_moved) = (0, 0);
    for round in 0..2 {
        for partition in 0..PARTITIONS {
            let sending = async {
                let names = (0..N_EACH).map(|n| format!("m{round}-{partition}-{n}"));
                let events = names.map(|name| event(&name, "1", "signed_up")).collect();
                client.ingest(events, wire::IngestMode::Live).await
            };
            // As an operator would: again, where it says so.
            let moving = wait_until("the leader to be moved", async || {
                let request = wire::DescribePartitionRequest { partition };
                let described = any.describe_partition(request).await.ok()?.partition;
                let leader = described.map_or(0, |described| described.leader_node);
                let request = wire::TransferLeaderRequest {
                    partition,
                    to_node: after(&nodes, leader),
                };
                match any.transfer_leader(request).await {
                    Ok(moved) => Some(Ok(moved)),
                    Err(error) if error.is_retryable() => None,
                    Err(error) => Some(Err(error)),
                }
            });
            let (results, moved) = tokio::join!(sending, moving);
            let results = results?;
            assert!(results.iter().all(|result| !result.retry), "{results:?}");
            n_sent += N_EACH;
            n_moved += usize::from(moved??.changed);
        }
    }
    // One may have moved by itself just before, to keep leaders even.
    assert!(
        n_moved >= PARTITIONS as usize,
        "{n_moved} leaders were moved"
    );
    wait_until("every outcome to be recorded", || async {
        let counts = counts(&any, "hello").await.ok()?;
        (counts.completed == n_sent as u64).then_some(())
    })
    .await
    .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    assert!(!working.is_finished(), "the worker gave up");
    working.abort();
    let handed = handed.lock().await;
    assert_eq!(handed.ids.len(), n_sent);
    handed.assert_exclusive();
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

/// Takes effects at one node until it is told to stop, settles them, and leaves some to be settled elsewhere.
async fn work_at(
    client: Client,
    (name, n_held): (&'static str, usize),
    (handed, held): (Arc<Mutex<Handed>>, Arc<Mutex<Vec<wire::Effect>>>),
) -> Result<(), ClientError> {
    let subscribe = wire::Subscribe {
        worker: name.to_owned(),
        credit: 200,
        ..Default::default()
    };
    let mut session = client.work(subscribe).await?;
    loop {
        let WorkerMessage::Effect(effect) = session.next().await? else {
            continue;
        };
        handed.lock().await.note(name, &effect);
        let mut held = held.lock().await;
        if held.len() < n_held {
            held.push(*effect);
        } else {
            session.settle(vec![sent(&effect)]).await?;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_frozen_hands_over_nothing_that_the_next_one_did() -> anyhow::Result<()> {
    const N_HELD: usize = 8;
    let rounds = if slow_tests_wanted() { 10 } else { 1 };
    let cluster = ClusterProcess::start(&programs(), 3, PARTITIONS).await?;
    publish(&client_of(&cluster, 0).await?, HELLO).await?;
    let handed = Arc::new(Mutex::new(Handed::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let client = ClusterClient::new(cluster.addresses())?;
    let stopped = Arc::clone(&stop);
    let producing = tokio::spawn(async move {
        let mut n_sent = 0;
        while !stopped.load(Ordering::Relaxed) {
            let events = (n_sent..n_sent + 20).map(|n| event(&format!("c{n}"), "1", "signed_up"));
            let results = client
                .ingest(events.collect(), wire::IngestMode::Live)
                .await?;
            assert!(results.iter().all(|result| !result.retry), "{results:?}");
            n_sent += 20;
        }
        Ok::<u64, ClientError>(n_sent)
    });
    for round in 0..rounds {
        let old = cluster.busiest()?;
        let next = (old + 1) % 3;
        let held = Arc::new(Mutex::new(Vec::new()));
        let none = Arc::new(Mutex::new(Vec::new()));
        let workers = [
            (old, ("old", N_HELD), held.clone()),
            (next, ("next", 0), none),
        ];
        let mut working = Vec::new();
        for (at, what, held) in workers {
            let client = client_of(&cluster, at).await?;
            working.push(tokio::spawn(work_at(
                client,
                what,
                (Arc::clone(&handed), held),
            )));
        }
        let before = handed.lock().await.n_by_worker.clone();
        wait_until("effects to flow through the leader", || async {
            let now = handed
                .lock()
                .await
                .n_by_worker
                .get("old")
                .copied()
                .unwrap_or(0);
            (now >= before.get("old").copied().unwrap_or(0) + 100).then_some(())
        })
        .await?;
        // Somewhere in the stream of claims that are proposed, applied, queued and written.
        cluster.nodes()[old].freeze()?;
        let frozen = Instant::now();
        wait_until("the leader to stand still", || async {
            let (stands, _) = cluster.nodes()[old].standstill().ok()?;
            stands.then_some(())
        })
        .await?;
        let at_freeze = handed
            .lock()
            .await
            .n_by_worker
            .get("next")
            .copied()
            .unwrap_or(0);
        wait_until("the others to lead everything and hand over", || async {
            let others = (0..3).filter(|at| *at != old);
            let led = others.map(|at| metric(&cluster.nodes()[at], "raft_leader_partitions"));
            let led: f64 = led.map(|led| led.unwrap_or(0.0)).sum();
            let now = handed
                .lock()
                .await
                .n_by_worker
                .get("next")
                .copied()
                .unwrap_or(0);
            // Longer than a claim may wait for its hand-over.
            let is_over = frozen.elapsed() > Duration::from_secs(3);
            (led >= f64::from(PARTITIONS) && now >= at_freeze + 100 && is_over).then_some(())
        })
        .await?;
        // What the old leader handed over before has its outcome through others meanwhile.
        let held = held.lock().await.clone();
        assert_eq!(held.len(), N_HELD);
        let elsewhere = client_of(&cluster, next).await?;
        let outcomes = held.iter().map(sent).collect();
        let settled = elsewhere
            .settle(wire::SettleRequest { outcomes })
            .await?
            .results;
        assert!(settled.iter().all(|result| !result.retry), "{settled:?}");
        cluster.nodes()[old].thaw()?;
        let old_client = client_of(&cluster, old).await?;
        for effect in &held {
            let request = wire::ConfirmRequest {
                effect_id: effect.effect_id.clone(),
                attempt: effect.attempt,
            };
            let confirmed = old_client.confirm(request).await?;
            assert!(
                !confirmed.stands,
                "the old leader confirmed what is settled"
            );
        }
        cluster.wait_whole().await?;
        let took = frozen.elapsed().as_millis();
        let by_worker = handed.lock().await.n_by_worker.clone();
        eprintln!(
            "round {round}: node {} frozen for {took} ms; handed over {by_worker:?}",
            old + 1
        );
        for worker in working {
            worker.abort();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let n_sent = producing.await??;
    let last = client_of(&cluster, 0).await?;
    let nothing_held = Arc::new(Mutex::new(Vec::new()));
    let working = tokio::spawn(work_at(
        last,
        ("last", 0),
        (Arc::clone(&handed), nothing_held),
    ));
    // Claims that nobody wrote run out and are offered anew.
    wait_until("every effect to be handed over", || async {
        (handed.lock().await.ids.len() as u64 == n_sent).then_some(())
    })
    .await
    .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    working.abort();
    handed.lock().await.assert_exclusive();
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "an effect's `send_by` is an instant of the wall clock"
)]
fn seconds_now() -> anyhow::Result<i64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_secs())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reaches_a_worker_after_its_send_by_is_dropped_and_not_confirmed() -> anyhow::Result<()>
{
    let world = World::with_journeys(SOON).await?;
    let subscribe = wire::Subscribe {
        credit: 1,
        ..Default::default()
    };
    // The library's end is not read while its effect comes; the bytes lie in the connection.
    let mut session = world.client.work(subscribe.clone()).await?;
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    let claimed = wait_until("ann's effect to be claimed", || async {
        let offered = metric(&world.node, "journey_effects_handed_over_total").ok()?;
        (offered >= 1.0).then_some(())
    });
    claimed.await?;
    // What the bytes say, as a worker without the library sees them.
    let channel = tonic::transport::Endpoint::from_shared(world.node.address().to_owned())?;
    let mut raw = WorkerServiceClient::new(channel.connect().await?);
    let first = wire::WorkRequest {
        request: Some(wire::work_request::Request::Subscribe(subscribe)),
    };
    let requests =
        tokio_stream::StreamExt::chain(tokio_stream::once(first), tokio_stream::pending());
    let mut stream = raw.work(requests).await?.into_inner();
    accept(&world.client, event("bob", "1", "signed_up")).await?;
    let effect = loop {
        let message = stream.message().await?;
        let message = message.ok_or_else(|| anyhow::anyhow!("the stream ended"))?;
        if let Some(wire::work_response::Response::Effect(effect)) = message.response {
            break effect;
        }
    };
    assert_eq!(effect.customer_id, "bob");
    let confirm = || wire::ConfirmRequest {
        effect_id: effect.effect_id.clone(),
        attempt: effect.attempt,
    };
    let confirmed = world.client.confirm(confirm()).await?;
    assert!(confirmed.stands, "{confirmed:?}");
    let send_by = effect.send_by.as_ref().map(|send_by| send_by.seconds);
    let send_by = send_by.ok_or_else(|| anyhow::anyhow!("no send_by"))?;
    wait_until("its send_by to pass", || async {
        (seconds_now().ok()? > send_by + 1).then_some(())
    })
    .await?;
    let confirmed = world.client.confirm(confirm()).await?;
    assert!(!confirmed.stands, "{confirmed:?}");
    assert!(!confirmed.reason.is_empty());
    let next = tokio::time::timeout(Duration::from_millis(500), session.next()).await;
    assert!(next.is_err(), "it came to the worker: {next:?}");
    assert_eq!(
        session.n_too_late(),
        1,
        "ann's effect was there, and was dropped"
    );
    Ok(())
}
