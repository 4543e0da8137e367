//! What was set aside so that the customer can go on: effects whose retry budget is used up (dead letters) and commands
//! whose deciding panicked (quarantined). Kept until someone replays or discards them, or they expire.

use std::sync::Arc;

use journey_types::{CustomerEvent, Sequence, Timestamp};

use crate::command::IngestMode;
use crate::entrance::Enrollment;
use crate::limits::{
    ATTEMPTS_KEPT_FIRST, ATTEMPTS_KEPT_LAST, DEAD_LETTERS_MAX, QUARANTINED_COMMANDS_MAX,
    SET_ASIDE_SPAN,
};
use crate::size;
use crate::state::{CustomerState, EffectStatus, OutboxRow};

/// What is said of a handing over that nobody answered.
pub(crate) const NO_ANSWER: &str = "no answer by its until";

/// What is said of a handing over that came back unbegun.
const RETURNED: &str = "returned unbegun";

/// One handing over of an effect, as it is kept for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first handing over of the effect.
    pub number: u32,
    /// The stamp of its claim.
    pub at: Timestamp,
    /// The name its worker gave, empty if it gave none.
    pub worker: String,
    /// Why it failed; `None` while no answer has come.
    pub failure: Option<String>,
}

/// An effect whose retry budget is used up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The effect, with its attempts. A replay is a new handing over of this same effect.
    pub row: OutboxRow,
    /// Since when.
    pub since: Timestamp,
    /// Why the last attempt failed.
    pub reason: String,
    /// What it takes of the partition's budget.
    pub size_bytes: u32,
}

/// A command whose deciding panicked.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantinedCommand {
    /// Which kind of command, such as `ingest`.
    pub kind: String,
    /// The event, if it is an `ingest`: what a replay takes in again. Other commands come again by themselves.
    pub event: Option<Arc<CustomerEvent>>,
    /// The enroll call, if it is an `enroll`: the same.
    pub enrollment: Option<Arc<Enrollment>>,
    /// How the event was to take part.
    pub mode: IngestMode,
    /// The text of the panic.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// What it takes of the partition's budget.
    pub size_bytes: u32,
}

/// Why nothing is decided for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// The stamp of the panic that was one too many.
    pub since: Timestamp,
    /// Its text.
    pub reason: String,
}

/// Names something that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetAside {
    /// A dead letter, by the fact that emitted the effect.
    DeadLetter(Sequence),
    /// A quarantined command, by the fact that set it aside.
    Command(Sequence),
}

/// How something that was set aside came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// Tried again.
    Replayed,
    /// Given up by an operator.
    Discarded,
    /// Kept for as long as such things are kept.
    Expired,
    /// A worker said late that it had gone out.
    Settled,
}

impl Closing {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
            Self::Expired => "expired",
            Self::Settled => "settled",
        }
    }
}

impl CustomerState {
    /// Since when the oldest thing lies here that was set aside, or the customer itself is parked: whoever lists such
    /// customers finds them by this.
    #[must_use]
    pub fn set_aside_since(&self) -> Option<Timestamp> {
        let parked = self.parked.as_ref().map(|parking| parking.since);
        [parked, self.oldest_set_aside()]
            .into_iter()
            .flatten()
            .min()
    }

    fn oldest_set_aside(&self) -> Option<Timestamp> {
        let letters = self.dead_letters.values().map(|letter| letter.since);
        let commands = self.quarantined.values().map(|command| command.since);
        letters.chain(commands).min()
    }

    /// After which instant the oldest of it expires.
    #[must_use]
    pub(crate) fn next_expiry_at(&self) -> Option<Timestamp> {
        self.oldest_set_aside()
            .map(|since| since.plus(SET_ASIDE_SPAN))
    }

    /// What expired before the stamp, with its size.
    pub(crate) fn expired(&self, stamp: Timestamp) -> Vec<(SetAside, u32)> {
        let is_over = |since: Timestamp| since.plus(SET_ASIDE_SPAN) < stamp;
        let letters = self.dead_letters.iter();
        let letters = letters.filter(|(_, letter)| is_over(letter.since));
        let letters =
            letters.map(|(effect, letter)| (SetAside::DeadLetter(*effect), letter.size_bytes));
        let commands = self.quarantined.iter();
        let commands = commands.filter(|(_, command)| is_over(command.since));
        let commands =
            commands.map(|(entry, command)| (SetAside::Command(*entry), command.size_bytes));
        letters.chain(commands).collect()
    }

    /// Whether one more dead letter may lie with this customer.
    #[must_use]
    pub fn has_room_for_dead_letter(&self) -> bool {
        self.dead_letters.len() < DEAD_LETTERS_MAX
    }

    /// Whether one more quarantined command may lie with this customer.
    pub(crate) fn has_room_in_quarantine(&self) -> bool {
        self.quarantined.len() < QUARANTINED_COMMANDS_MAX
    }
}

impl OutboxRow {
    /// How many times it was handed over since it was emitted or replayed, without those that came back unbegun: a slow
    /// machine is no failure of whoever delivers.
    #[must_use]
    pub const fn n_attempts(&self) -> u32 {
        self.attempt
            .saturating_sub(self.attempts_before_replay)
            .saturating_sub(self.attempts_returned)
    }

    /// Whether it was a dead letter before: then its step has failed already and is not to fail again.
    #[must_use]
    pub const fn is_replay(&self) -> bool {
        self.attempts_before_replay > 0
    }

    /// Notes a handing over. Of many the first and the newest are kept.
    pub(crate) fn begin_attempt(&mut self, at: Timestamp, worker: &str) {
        self.attempts.push(Attempt {
            number: self.attempt,
            at,
            worker: worker.to_owned(),
            failure: None,
        });
        if self.attempts.len() > ATTEMPTS_KEPT_FIRST + ATTEMPTS_KEPT_LAST {
            self.attempts.remove(ATTEMPTS_KEPT_FIRST);
        }
    }

    /// Notes why the last handing over failed, unless that is known.
    pub(crate) fn end_attempt(&mut self, reason: &str) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.failure.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// Notes that the last handing over came back unbegun, and answers in which words. Of many in a row the newest stands
    /// for all, so that they push no failure out.
    pub(crate) fn return_attempt(&mut self) -> String {
        self.attempts_returned += 1;
        self.returned_in_a_row += 1;
        let reason = match self.returned_in_a_row {
            1 => RETURNED.to_owned(),
            n => {
                if let Some(before) = self.attempts.len().checked_sub(2) {
                    self.attempts.remove(before);
                }
                format!("{RETURNED}, {n} times in a row")
            }
        };
        self.end_attempt(&reason);
        reason
    }

    /// Whether the last handing over came back unbegun.
    #[must_use]
    pub(crate) const fn came_back(&self) -> bool {
        self.returned_in_a_row > 0 && !matches!(self.status, EffectStatus::Claimed { .. })
    }

    /// What it takes as a dead letter.
    pub(crate) fn dead_size_bytes(&self, reason: &str) -> u32 {
        u32::try_from(size::of_row(self) + reason.len()).unwrap_or(u32::MAX)
    }
}
