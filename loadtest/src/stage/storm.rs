//! Waits for a storm of timers that are all due at one instant.

use std::sync::atomic::Ordering;
use std::time::Duration;

use journey_client::Client;
use journey_partition::Clock as _;

use super::Stage;

/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How long a storm may stand still before the run fails.
const STILL_MAX: Duration = Duration::from_secs(60);

impl Stage<'_> {
    /// Waits until the timers of all started customers have fired.
    pub(super) async fn storm(&mut self, idx: usize) -> anyhow::Result<()> {
        let client = Client::connect(self.nodes.address()).await?;
        let n_timers = u64::from(self.n_started.load(Ordering::Relaxed));
        let wait = self.run.due.since(cluster::SystemClock.now());
        let wait = Duration::from_millis(u64::try_from(wait.ms()).unwrap_or(0));
        let due = cluster::monotonic_now() + wait;
        let n_before = self.n_fired(&client).await?;
        let (mut n_fired, mut moved) = (n_before, due);
        while n_fired < n_timers {
            let now = cluster::monotonic_now();
            anyhow::ensure!(
                now.saturating_duration_since(moved) < STILL_MAX,
                "{n_fired} of {n_timers} timers fired, then none for {} s",
                STILL_MAX.as_secs()
            );
            tokio::time::sleep(LOOK_PAUSE).await;
            let n_now = self.n_fired(&client).await?;
            if n_now > n_fired {
                (n_fired, moved) = (n_now, cluster::monotonic_now());
            }
        }
        let span = &mut self.spans[idx];
        span.seconds = moved.saturating_duration_since(due).as_secs_f64();
        span.n_fired = Some(n_fired - n_before);
        Ok(())
    }

    async fn n_fired(&self, client: &Client) -> anyhow::Result<u64> {
        let mut n_fired = 0;
        for id in &self.journeys {
            let counts = crate::figures::counts_of(client, id).await?;
            n_fired += counts.timers_fired;
        }
        Ok(n_fired.saturating_sub(self.n_fired_before))
    }
}
