//! Calls into sled, which panics on some kinds of damage: what a disk holds must not take the process down.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether a panic on this thread, now, is caught by the storage layer and comes out as its error. For the process's
/// panic hook, which need not tell of it a second time.
#[must_use]
pub fn panic_is_contained() -> bool {
    DEPTH.get() > 0
}

/// Calls sled; a panic comes back as its message.
pub(super) fn contained<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get() - 1);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "no message".to_owned());
        format!("sled panicked, so its files are probably damaged: {text}")
    })
}
