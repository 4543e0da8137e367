//! A node joins while traffic flows: it takes its share, and nobody who sends events sees more of it than slower answers.

use std::time::Duration;

use tests::{ClusterPlan, ClusterProcess, LoadPlan, Trial, metric, slow_tests_wanted, wait_until};
use tokio::time::Instant;

use crate::world::programs;

const PARTITIONS: u32 = 8;

fn p99(sorted: &[Duration]) -> Duration {
    sorted[(sorted.len() * 99).div_ceil(100).max(1) - 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_under_load_fails_no_request() -> anyhow::Result<()> {
    let (n_customers, n_before) = if slow_tests_wanted() {
        (250, 20_000)
    } else {
        (40, 1_000)
    };
    let plan = ClusterPlan::of(3, PARTITIONS);
    let mut cluster = ClusterProcess::start_as(&programs(), plan).await?;
    let load = LoadPlan {
        n_producers: 3,
        n_customers,
        pause: Duration::from_millis(50),
    };
    let trial = Trial::begin(&cluster, load).await?;
    // Connections, elections and the first customers are not what is compared.
    trial.everybody_goes_on().await?;
    let began = Instant::now();
    let n_at_first = trial.history().n_acknowledged();
    wait_until("some events before the join", || async {
        (trial.history().n_acknowledged() >= n_at_first + n_before).then_some(())
    })
    .await?;
    let n_failed_before = trial.history().n_calls_failed();
    let joined = Instant::now();
    tokio::task::block_in_place(|| cluster.join())?;
    let share = wait_until("the fourth node to have its share", || async {
        let n_voting = metric(&cluster.nodes()[3], "raft_voting_replicas").ok()?;
        // 8 partitions with 3 replicas on 4 nodes: 6 each, one more or less.
        let has_share = n_voting >= 5.0;
        let is_settled = cluster.sum("raft_voting_replicas") == f64::from(PARTITIONS * 3);
        (has_share && is_settled).then_some(n_voting)
    });
    let n_voting = share
        .await
        .map_err(|error| anyhow::anyhow!("{error}\n{}", cluster.logs()))?;
    let settled = Instant::now();
    let n_failed = trial.history().n_calls_failed() - n_failed_before;
    let before = trial.history().ack_times(began..joined);
    let during = trial.history().ack_times(joined..settled);
    eprintln!(
        "{n_voting} replicas came in {} ms; acknowledged in p99 {} ms before ({} events) and {} ms during it ({}), at \
         most {} ms",
        (settled - joined).as_millis(),
        p99(&before).as_millis(),
        before.len(),
        p99(&during).as_millis(),
        during.len(),
        during.last().map_or(0, Duration::as_millis)
    );
    assert_eq!(
        n_failed,
        0,
        "calls failed during the join\n{}",
        cluster.logs()
    );
    if slow_tests_wanted() {
        assert!(p99(&during) <= p99(&before) * 3, "p99 during the join");
    }
    let figures = trial.judge(&cluster).await;
    let figures = figures.map_err(|error| anyhow::anyhow!("{error:#}\n{}", cluster.logs()))?;
    eprintln!("{figures}");
    Ok(())
}
