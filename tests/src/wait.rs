//! Waiting for a condition, never for a time.

use std::future::Future;
use std::time::Duration;

/// Longest wait: only a hang reaches it, however slow the machine.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Longest time without anything done, where much is to be done: a claim that a kill orphaned holds its channel for
/// 30 s.
const STALL_MAX: Duration = Duration::from_secs(90);
/// Pause between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Looks again and again until `look` answers something.
///
/// # Errors
/// When it never does: says what was waited for.
///
/// # Cancel safety
/// As `look`.
pub async fn wait_until<T, F, L>(what: &str, mut look: L) -> anyhow::Result<T>
where
    L: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, looking)
        .await
        .map_err(|_| anyhow::anyhow!("waited {} s in vain for: {what}", WAIT_MAX.as_secs()))
}

/// Looks again and again until `look` says that nothing is left. However long that takes: it fails when what is left has
/// not become less for a long time. `None` is what cannot be told at the moment.
///
/// # Errors
/// When it stands still: says what was waited for, and how much is left.
///
/// # Cancel safety
/// As `look`.
pub async fn wait_while_it_moves<F, L>(what: &str, mut look: L) -> anyhow::Result<()>
where
    L: FnMut() -> F,
    F: Future<Output = Option<u64>>,
{
    let mut least = u64::MAX;
    let mut moved_at = tokio::time::Instant::now();
    loop {
        let left = look().await.unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(());
        }
        if left < least {
            least = left;
            moved_at = tokio::time::Instant::now();
        }
        anyhow::ensure!(
            moved_at.elapsed() < STALL_MAX,
            "nothing moved for {} s, {least} left of: {what}",
            STALL_MAX.as_secs()
        );
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
