//! Waiting for a condition, never for a time.

use std::future::Future;
use std::time::Duration;

/// Longest wait: only a hang reaches it, however slow the machine.
const WAIT_MAX: Duration = Duration::from_secs(120);
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
