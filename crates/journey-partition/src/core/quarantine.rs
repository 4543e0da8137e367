//! Commands whose deciding panicked, kept where they can be read.

use std::collections::VecDeque;

use journey_customer::Command;
use journey_types::{CustomerKey, Timestamp};

use crate::core::limits::{PANIC_TEXT_SIZE_BYTES_MAX, QUARANTINED_COMMANDS_MAX};

/// A command that panicked.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantinedCommand {
    /// Counts them, 1 for the first since the core was made.
    pub number: u64,
    /// Whose.
    pub customer: CustomerKey,
    /// What.
    pub command: Command,
    /// The stamp of the turn.
    pub at: Timestamp,
    /// The text of the panic.
    pub reason: String,
}

/// The newest quarantined commands.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    commands: VecDeque<QuarantinedCommand>,
    n_all: u64,
}

impl Quarantine {
    /// Keeps a command; answers whether the oldest one fell out for it.
    pub(crate) fn keep(
        &mut self,
        customer: CustomerKey,
        command: Command,
        at: Timestamp,
        reason: String,
    ) -> bool {
        self.n_all += 1;
        let is_full = self.commands.len() >= QUARANTINED_COMMANDS_MAX;
        if is_full {
            self.commands.pop_front();
        }
        let number = self.n_all;
        self.commands.push_back(QuarantinedCommand {
            number,
            customer,
            command,
            at,
            reason,
        });
        is_full
    }

    /// Oldest first.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &QuarantinedCommand> {
        self.commands.iter()
    }
}

/// The words of a panic, cut to a line.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&'static str>().copied())
        .unwrap_or("a panic without a text");
    let mut end = text.len().min(PANIC_TEXT_SIZE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
