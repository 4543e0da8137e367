//! Effects at workers whose leaders, or whose own node, are killed, frozen or moved; and what comes after its `send_by`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use journey_client::wire::outcome::Result as Outcome;
use journey_client::wire::worker_service_client::WorkerServiceClient;
use journey_client::{Client, ClientError, ClusterClient, WorkerMessage, wire};
use tests::{ClusterProcess, metric, slow_tests_wanted, wait_until};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster_world::{HELLO, client_of};
use crate::world::{World, accept, counts, event, programs, publish};

const PARTITIONS: u32 = 4;

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
    // It was given back, so its credit is free long before its claim runs out, and it is withdrawn.
    accept(&world.client, event("cat", "1", "signed_up")).await?;
    let next = tokio::time::timeout(Duration::from_secs(10), session.next()).await??;
    let WorkerMessage::Effect(effect) = next else {
        panic!("a result of what the test never said: {next:?}")
    };
    assert_eq!(effect.customer_id, "cat");
    let ann = || wire::GetCustomerRequest {
        customer_id: "ann".to_owned(),
        ..Default::default()
    };
    wait_until("ann's effect to be withdrawn", || async {
        let ann = world.client.get_customer(ann()).await.ok()?.customer?;
        (ann.open_effects == 0).then_some(())
    })
    .await?;
    Ok(())
}
