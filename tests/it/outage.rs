//! What a part of a cluster does that is cut off from the rest, or has lost too much of it: it refuses with its reason,
//! and what is whole goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use journey_client::wire::event_result::Status;
use journey_client::{Client, ClientError, ClusterClient, wire};
use tests::{
    ClusterPlan, ClusterProcess, Ctl, Cut, Fault, LoadPlan, Trial, Way, groups_at_rest, metric,
    node_report, slow_tests_wanted, state_hashes, wait_until,
};
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::cluster_world::{HELLO, customers_of};
use crate::world::{accept, event, programs, publish, send};

/// How long a node takes to answer a worker's subscription, for which it needs nobody else: a busy machine's pause.
const SUBSCRIBED_MAX: Duration = Duration::from_secs(1);

/// How long one read or write is waited for that may have nobody to answer it.
const READ_NOW: Duration = Duration::from_millis(300);

/// A refusal for now: of one event, or of the whole call with `UNAVAILABLE`; either way with a reason.
fn expect_refused_for_now(answered: Result<wire::IngestResponse, ClientError>) -> String {
    match answered {
        Ok(answered) => {
            let result = &answered.results[0];
            assert!(
                result.status() == Status::Rejected && result.retry,
                "{result:?}"
            );
            assert!(!result.message.is_empty(), "{result:?}");
            result.reason.clone()
        }
        Err(ClientError::Refused { status }) => {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            let reason = status.get_details_error_info();
            let reason = reason.unwrap_or_else(|| panic!("a refusal without a reason: {status:?}"));
            reason.reason
        }
        Err(error) => panic!("no refusal: {error}"),
    }
}

/// A worker is told at once that it stands, whatever the node can reach: it hears of effects when there are leaders again,
/// and which partitions have none. Answers after what time, and those partitions.
async fn expect_subscribed(client: &Client) -> anyhow::Result<(Duration, Vec<u32>)> {
    let asked = Instant::now();
    let opened = client.work(wire::Subscribe::default());
    let opened = tokio::time::timeout(SUBSCRIBED_MAX, opened).await;
    let opened = opened.context("the subscription was not answered")??;
    Ok((asked.elapsed(), opened.partitions_without_leader().to_vec()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_refuses_with_its_reason_and_nothing_diverges() -> anyhow::Result<()>
{
    const PARTITIONS: u32 = 4;
    let plan = ClusterPlan {
        with_faults: true,
        ..ClusterPlan::of(3, PARTITIONS)
    };
    let mut cluster = ClusterProcess::start_as(&programs(), plan).await?;
    let customers = {
        let client = Client::connect(&cluster.addresses()[0]).await?;
        customers_of(&client, PARTITIONS).await?
    };
    for (round, cut) in [Cut::Silent, Cut::Reset].into_iter().enumerate() {
        groups_at_rest(&cluster).await?;
        // An old leader of something is the harder case.
        let minority = cluster.busiest()?;
        let cut = Fault::CutOff(Way::Both, cut)
            .begin(&mut cluster, minority)
            .await?;
        let addresses = cluster.addresses();
        let alone = Client::connect(&addresses[minority]).await?;
        let (worked, _) = expect_subscribed(&alone).await?;
        let mut reasons = BTreeSet::new();
        let mut longest = Duration::ZERO;
        for customer in customers.values() {
            let events = vec![event(customer, &format!("alone{round}"), "seen")];
            let asked = Instant::now();
            let answered = alone.ingest(wire::IngestRequest { events, mode: 0 }).await;
            longest = longest.max(asked.elapsed());
            reasons.insert(expect_refused_for_now(answered));
        }
        // Soon it knows that it is cut off, and says so.
        for customer in customers.values() {
            let told = wait_until("a refusal that says that nothing took effect", || async {
                let events = vec![event(customer, &format!("alone{round}"), "seen")];
                let answered = alone.ingest(wire::IngestRequest { events, mode: 0 }).await;
                let reason = expect_refused_for_now(answered);
                (reason != "OUTCOME_UNKNOWN").then_some(reason)
            });
            reasons.insert(told.await?);
        }
        let (worked_then, without_leader) = expect_subscribed(&alone).await?;
        let worked = worked.max(worked_then);
        let all: Vec<u32> = (0..PARTITIONS).collect();
        assert_eq!(without_leader, all, "round {round}");
        let others = addresses
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != minority);
        let majority = ClusterClient::new(others.map(|(_, address)| address.clone()))?;
        for id in ["majority", "alone"] {
            let id = format!("{id}{round}");
            let events = customers
                .values()
                .map(|customer| event(customer, &id, "seen"));
            let results = majority
                .ingest(events.collect(), wire::IngestMode::Live)
                .await?;
            // What the minority refused was not taken in behind its back.
            let is_accepted = |result: &wire::EventResult| result.status() == Status::Accepted;
            assert!(results.iter().all(is_accepted), "{id}: {results:?}");
        }
        let proof = cut.end(&mut cluster, None)?;
        eprintln!(
            "{proof}; reasons {reasons:?}, the longest refusal took {} ms, a worker was subscribed after {} ms",
            longest.as_millis(),
            worked.as_millis()
        );
        if slow_tests_wanted() {
            assert!(longest <= Duration::from_secs(15), "{longest:?}");
        }
        // And it never will be: what waited in the old leader is void.
        groups_at_rest(&cluster).await?;
        for customer in customers.values() {
            let event = event(customer, &format!("alone{round}"), "seen");
            let result = wait_until("the node to take part again", || async {
                let result = send(&alone, event.clone()).await.ok()?;
                (!result.retry).then_some(result)
            })
            .await?;
            assert_eq!(result.status(), Status::Duplicate, "{result:?}");
        }
    }
    expect_equal_replicas(&cluster).await
}

/// A read without options may be as old as the lease of its leader, which ends before others can elect another one: what
/// they acknowledged is in it, or there is no answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_acknowledged_is_not_missed_by_a_read_at_a_leader_that_is_cut_off()
-> anyhow::Result<()> {
    const PARTITIONS: u32 = 4;
    let plan = ClusterPlan {
        with_faults: true,
        ..ClusterPlan::of(3, PARTITIONS)
    };
    let mut cluster = ClusterProcess::start_as(&programs(), plan).await?;
    let addresses = cluster.addresses();
    let customers = customers_of(&Client::connect(&addresses[0]).await?, PARTITIONS).await?;
    groups_at_rest(&cluster).await?;
    let minority = cluster.busiest()?;
    let alone = Client::connect(&addresses[minority]).await?;
    let other = Client::connect(&addresses[(minority + 1) % 3]).await?;
    let sequence_at = async |client: &Client, customer: &str| {
        let request = wire::GetCustomerRequest {
            customer_id: customer.to_owned(),
            ..Default::default()
        };
        let read = tokio::time::timeout(READ_NOW, client.get_customer(request)).await;
        anyhow::Ok(read??.customer.context("a customer")?.sequence)
    };
    let mut before = BTreeMap::new();
    for customer in customers.values() {
        accept(&other, event(customer, "before", "seen")).await?;
        before.insert(customer, sequence_at(&alone, customer).await?);
    }
    let cut = Fault::CutOff(Way::Both, Cut::Silent)
        .begin(&mut cluster, minority)
        .await?;
    for (customer, sequence) in &before {
        wait_until("the others to take an event", || async {
            let sent = send(&other, event(customer, "since", "seen"));
            let sent = tokio::time::timeout(READ_NOW, sent).await.ok()?.ok()?;
            (!sent.retry).then_some(())
        })
        .await?;
        // Not answered in time is fine: it asks whether it still leads.
        if let Ok(read) = sequence_at(&alone, customer).await {
            anyhow::ensure!(read > *sequence, "{customer} was read as of before the cut");
        }
    }
    cut.end(&mut cluster, None)?;
    for (customer, sequence) in &before {
        wait_until("the node to answer again", || async {
            let read = sequence_at(&alone, customer).await.ok()?;
            (read > *sequence).then_some(())
        })
        .await?;
    }
    Ok(())
}

/// At rest all replicas of a partition have the same index and the same state.
async fn expect_equal_replicas(cluster: &ClusterProcess) -> anyhow::Result<()> {
    groups_at_rest(cluster).await?;
    let mut known: BTreeMap<(u32, u64), Vec<u8>> = BTreeMap::new();
    let mut n_compared = 0;
    for peer in cluster.peers() {
        for hash in state_hashes(peer).await? {
            let place = (hash.partition, hash.applied_index);
            match known.get(&place) {
                Some(other) => {
                    assert_eq!(*other, hash.hash.to_vec(), "partition and index {place:?}");
                    n_compared += 1;
                }
                None => drop(known.insert(place, hash.hash.to_vec())),
            }
        }
    }
    assert!(n_compared > 0, "{known:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_of_metadata_or_of_a_partition_the_others_go_on() -> anyhow::Result<()> {
    const PARTITIONS: u32 = 8;
    let mut cluster = ClusterProcess::start(&programs(), 4, PARTITIONS).await?;
    let addresses = cluster.addresses();
    let client = Client::connect(&addresses[0]).await?;
    publish(&client, HELLO).await?;
    let customers = customers_of(&client, PARTITIONS).await?;
    let spread = wait_until("four nodes to have their shares", || async {
        let groups = groups_at_rest(&cluster).await.ok()?;
        let n_metadata = groups.get(&0)?.voters.len();
        let has_share = |at: usize| {
            let mine = groups.iter().filter(|(group, _)| **group > 0);
            mine.filter(|(_, nodes)| nodes.voters.contains(&at)).count() >= 5
        };
        (n_metadata == 3 && (0..4).all(has_share)).then_some(groups)
    });
    let groups = spread
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    // Two of the three that vote on metadata are lost; a partition that one of them is no part of keeps two of three.
    let lost = [groups[&0].voters[0], groups[&0].voters[1]];
    let is_whole = |partition: u32| {
        let voters = &groups[&(partition + 1)].voters;
        voters.iter().filter(|at| !lost.contains(at)).count() * 2 > voters.len()
    };
    let (whole, dead): (Vec<u32>, Vec<u32>) = (0..PARTITIONS).partition(|p| is_whole(*p));
    eprintln!("lost {lost:?}: partitions {whole:?} have a quorum, {dead:?} have none");
    assert!(!whole.is_empty() && !dead.is_empty(), "{groups:?}");
    for at in lost {
        cluster.node(at).kill()?;
    }
    let left: Vec<usize> = (0..4).filter(|at| !lost.contains(at)).collect();
    let nodes = ClusterClient::new(left.iter().map(|at| addresses[*at].clone()))?;
    for round in 0..3 {
        let events = whole.iter().map(|partition| {
            let name = if round == 2 { "signed_up" } else { "seen" };
            event(&customers[partition], &format!("without{round}"), name)
        });
        let results = nodes
            .ingest(events.collect(), wire::IngestMode::Live)
            .await?;
        for result in results {
            assert_eq!(
                result.status(),
                Status::Accepted,
                "{result:?}\n{}",
                cluster.logs()
            );
        }
    }
    let mut reasons = BTreeSet::new();
    for at in &left {
        let client = Client::connect(&addresses[*at]).await?;
        for partition in &dead {
            let told = wait_until("a refusal that says that nothing took effect", || async {
                let events = vec![event(&customers[partition], "without", "seen")];
                let answered = client.ingest(wire::IngestRequest { events, mode: 0 }).await;
                let reason = expect_refused_for_now(answered);
                (reason != "OUTCOME_UNKNOWN").then_some(reason)
            });
            reasons.insert(told.await?);
        }
        let refused = publish(&client, HELLO).await.unwrap_err();
        match refused.downcast_ref::<ClientError>() {
            Some(ClientError::Refused { status }) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                assert!(!status.message().is_empty());
            }
            other => panic!("not refused: {other:?}"),
        }
    }
    eprintln!("the others are refused with {reasons:?}");
    for at in lost {
        cluster.node(at).restart()?;
    }
    let events = customers
        .values()
        .map(|customer| event(customer, "after", "seen"));
    let results = nodes
        .ingest(events.collect(), wire::IngestMode::Live)
        .await?;
    for result in results {
        assert_eq!(result.status(), Status::Accepted, "{result:?}");
    }
    wait_until("a publish", || async { publish(&client, HELLO).await.ok() }).await?;
    expect_equal_replicas(&cluster).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_a_node_that_is_lost_with_its_disk_are_rebuilt_and_it_returns_as_a_new_one()
-> anyhow::Result<()> {
    const PARTITIONS: u32 = 4;
    let programs = programs().with_environment("JOURNEY__CLUSTER__DOWN_AFTER", "5s");
    let mut cluster = ClusterProcess::start(&programs, 4, PARTITIONS).await?;
    let load = LoadPlan {
        n_producers: 2,
        n_customers: 12,
        pause: Duration::from_millis(100),
    };
    let trial = Trial::begin(&cluster, load).await?;
    trial.everybody_goes_on().await?;
    // Not the first one, whose address is where a new node asks to join.
    let lost = 3;
    let shared = wait_until("the fourth node to have replicas", || async {
        let n = metric(&cluster.nodes()[lost], "raft_voting_replicas").ok()?;
        (n >= 2.0).then_some(())
    });
    shared
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    let former = node_report(&cluster.peers()[lost]).await?.node;
    cluster.node(lost).kill()?;
    std::fs::remove_dir_all(cluster.nodes()[lost].data_dir())?;
    let killed = Instant::now();
    trial.everybody_goes_on().await?;
    let told = wait_until("somebody to tell that the node is down", || async {
        let others = &cluster.nodes()[..lost];
        let lines = others.iter().flat_map(tests::NodeProcess::log_lines);
        let mut lines = lines.filter(|line| line.contains("node changes its state"));
        lines.find(|line| line.contains("down"))
    });
    let told = told
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    assert!(told.contains(&format!("node_id={former}")), "{told}");
    let health = Ctl::new(&programs, &cluster.addresses()[0]).run(&["cluster", "health"])?;
    assert_eq!(health.code, 10, "{health:?}");
    for said in [&*format!("node {former}"), "its replicas are rebuilt"] {
        assert!(health.stdout.contains(said), "{said}: {health:?}");
    }
    let wanted = f64::from(PARTITIONS * 3);
    let rebuilt = wait_until(
        "every partition to have three replicas on three nodes",
        || async {
            let values = cluster.nodes()[..lost].iter();
            let values = values.map(|node| metric(node, "raft_voting_replicas").unwrap_or(0.0));
            (values.sum::<f64>() >= wanted).then_some(())
        },
    );
    rebuilt
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    eprintln!("rebuilt {} ms after the loss", killed.elapsed().as_millis());
    trial.everybody_goes_on().await?;
    cluster.node(lost).restart()?;
    let back = node_report(&cluster.peers()[lost]).await?.node;
    assert_ne!(back, former, "what lost its disk is another node");
    let figures = trial.judge(&cluster).await;
    let figures = figures.map_err(|error| anyhow::anyhow!("{error:#}\n{}", cluster.logs()))?;
    eprintln!("node {former} came back as {back}; {figures}");
    Ok(())
}
