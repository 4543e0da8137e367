//! Faults in overlapping pairs under steady load; what clients, workers and the replicas' hashes say decides.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tests::{
    ClusterPlan, ClusterProcess, FaultPair, LoadPlan, Trial, slow_tests_wanted, test_seed,
};

use crate::world::programs;

const PARTITIONS: u32 = 4;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_faults_lose_nothing_double_nothing_and_leave_replicas_equal()
-> anyhow::Result<()> {
    let seed = test_seed();
    // Milliseconds that a fault lasts. What a fault leaves claimed keeps its customer's later effects waiting for 30 s: in a
    // long run less is sent, so that there is no end to wait for of what piled up.
    let (n_pairs, span, pause) = if slow_tests_wanted() {
        (30, 1_000..=30_000, Duration::from_millis(300))
    } else {
        (2, 500..=2_500, Duration::from_millis(60))
    };
    let load = LoadPlan {
        n_producers: 3,
        n_customers: 12,
        pause,
    };
    eprintln!("JOURNEY_TEST_SEED={seed}: {n_pairs} pairs of faults");
    let mut chance = StdRng::seed_from_u64(seed);
    let plan = ClusterPlan {
        with_faults: true,
        ..ClusterPlan::of(3, PARTITIONS)
    };
    let mut cluster = ClusterProcess::start_as(&programs(), plan).await?;
    let trial = Trial::begin(&cluster, load).await?;
    trial.everybody_goes_on().await?;
    let began = tokio::time::Instant::now();
    for n in 0..n_pairs {
        let pair = FaultPair::drawn(&mut chance, 3, span.clone());
        let at = began.elapsed();
        let proofs = pair.happen(&mut cluster).await;
        let proofs = proofs.map_err(|error| anyhow::anyhow!("{error:#}\n{}", cluster.logs()))?;
        let went = trial.everybody_goes_on().await;
        let took = went.map_err(|error| {
            anyhow::anyhow!(
                "pair {n} of seed {seed}: {proofs:?}: {error:#}\n{}",
                cluster.logs()
            )
        })?;
        eprintln!(
            "pair {n} at {:.1} s: {} | {}; everybody goes on {} ms after it",
            at.as_secs_f64(),
            proofs[0],
            proofs[1],
            took.as_millis()
        );
    }
    let judged = trial.judge(&cluster).await;
    let figures =
        judged.map_err(|error| anyhow::anyhow!("seed {seed}: {error:#}\n{}", cluster.logs()))?;
    eprintln!("seed {seed}: {figures}");
    Ok(())
}
