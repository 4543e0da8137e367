//! How long the partitions of a node that is killed cannot be written: from `kill -9` to the first event that each of
//! them accepts, with the node's own timings of elections.

use std::collections::BTreeMap;
use std::time::Duration;

use journey_client::wire::event_result::Status;
use journey_client::{Client, wire};
use tests::{ClusterPlan, ClusterProcess, groups_at_rest, slow_tests_wanted};
use tokio::time::Instant;

use crate::cluster_world::{client_of, customers_of};
use crate::world::{event, programs, send};

const PARTITIONS: u32 = 8;
/// How long one attempt may take before another one is made.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);

/// Sends an event to one node after another until it is accepted, and says when that was.
async fn first_write(nodes: Vec<Client>, event: wire::CustomerEvent) -> Instant {
    let mut turns = nodes.iter().cycle();
    loop {
        let client = turns.next().expect("a node is left");
        let sent = tokio::time::timeout(ATTEMPT_MAX, send(client, event.clone())).await;
        if let Ok(Ok(result)) = sent
            && [Status::Accepted, Status::Duplicate].contains(&result.status())
        {
            return Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn percentile(sorted: &[Duration], per_cent: usize) -> Duration {
    sorted[(sorted.len() * per_cent).div_ceil(100).max(1) - 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_of_a_killed_node_are_written_again_within_seconds() -> anyhow::Result<()> {
    let is_slow = slow_tests_wanted();
    let n_rounds = if is_slow { 30 } else { 2 };
    let plan = ClusterPlan {
        with_own_timings: true,
        ..ClusterPlan::of(3, PARTITIONS)
    };
    let mut cluster = ClusterProcess::start_as(&programs(), plan).await?;
    let customers = customers_of(&client_of(&cluster, 0).await?, PARTITIONS).await?;
    let mut firsts = Vec::new();
    let mut wholes = Vec::new();
    eprintln!("round  node  led  first write of each affected partition, in ms");
    for round in 0..n_rounds {
        let groups = groups_at_rest(&cluster).await?;
        let mut led: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (group, nodes) in groups.iter().filter(|(group, _)| **group > 0) {
            led.entry(nodes.leader.unwrap())
                .or_default()
                .push(group - 1);
        }
        let busiest = led.into_iter().max_by_key(|(_, led)| led.len());
        let (node, led) = busiest.unwrap();
        let mut others = Vec::new();
        for (_, address) in cluster
            .addresses()
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != node)
        {
            others.push(Client::connect(address).await?);
        }
        let killed = Instant::now();
        cluster.node(node).kill()?;
        let writes = customers.iter().map(|(partition, customer)| {
            let event = event(customer, &format!("round{round}"), "seen");
            let written = tokio::spawn(first_write(others.clone(), event));
            (*partition, written)
        });
        let writes: Vec<_> = writes.collect();
        let (mut affected, mut whole) = (Vec::new(), Duration::ZERO);
        for (partition, written) in writes {
            let took = written.await? - killed;
            whole = whole.max(took);
            if led.contains(&partition) {
                affected.push(took);
            }
        }
        let line: Vec<String> = affected
            .iter()
            .map(|took| took.as_millis().to_string())
            .collect();
        eprintln!(
            "{round:>5}  {:>4}  {:>3}  {}",
            node + 1,
            led.len(),
            line.join(" ")
        );
        firsts.extend(affected);
        wholes.push(whole);
        cluster.node(node).restart()?;
        cluster.wait_whole().await?;
    }
    firsts.sort();
    wholes.sort();
    let (p50, p99) = (percentile(&firsts, 50), percentile(&firsts, 99));
    let (worst, whole) = (firsts[firsts.len() - 1], wholes[wholes.len() - 1]);
    eprintln!(
        "{} partitions over {n_rounds} kills: p50 {} ms, p99 {} ms, worst {} ms; all traffic: p50 {} ms, worst {} ms",
        firsts.len(),
        p50.as_millis(),
        p99.as_millis(),
        worst.as_millis(),
        percentile(&wholes, 50).as_millis(),
        whole.as_millis()
    );
    assert!(!firsts.is_empty(), "a node that leads something was killed");
    if is_slow {
        assert!(p50 <= Duration::from_secs(1), "p50 {p50:?}");
        assert!(worst <= Duration::from_secs(2), "worst {worst:?}");
        assert!(whole <= Duration::from_secs(3), "traffic after {whole:?}");
    }
    Ok(())
}
