//! Bounds of the leader's side of a partition, each with its reason.

use std::time::Duration;

use journey_types::{TimeSpan, limits::TURN_SIZE_BYTES_MAX};

/// Encoded bytes at which a batch is closed: DESIGN section 3. A target, not a limit of an entry.
pub const BATCH_SIZE_BYTES_TARGET: usize = 48 * 1024;
/// Encoded bytes of one entry: DESIGN section 3; a decision that needs more is quarantined before it is proposed.
pub const ENTRY_SIZE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What an entry takes beside its records: session, number and the frame, at most.
pub const ENTRY_OVERHEAD_BYTES: usize = 64;
/// Batches proposed and not yet reported: while one is on disk the next is decided; measured, four are no better
/// (PERFORMANCE, levers). A decision that travels alone may make it one more.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 2;
/// Turns of one call of the core, so that turns without facts (duplicates, stale timers) cannot hold its thread.
pub const TURNS_PER_CALL_MAX: usize = 1_024;
/// Bytes of customers kept hosted by one partition, about, where its owner gives no bound of its own.
pub const HOSTED_SIZE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A customer is measured anew after so many of its commits: measuring walks over the whole state.
pub const COMMITS_BETWEEN_MEASURES: u8 = 16;
/// What a hosted customer takes beside its state: mailbox, indexes, shared pointers.
pub const HOSTED_OVERHEAD_BYTES: usize = 512;
/// Customers read from rows in one call, where reads are paced: about ten milliseconds of reading, after which callers
/// whose customers are in memory have their turn again.
pub const COLD_LOADS_PER_CALL_MAX: usize = 512;
/// Customers that one call looks at for passivation: more than one call brings in, and bounded where all are busy.
pub const PASSIVATION_LOOKS_MAX: usize = 2_048;
/// Customers whose timers fire in one batch: DESIGN section 5.
pub const TIMER_FIRES_PER_BATCH_MAX: usize = 256;
/// Bytes of a batch that timers may take: half, so that a million timers due at once never starve ingest.
pub const TIMER_FIRES_SIZE_BYTES_TARGET: usize = BATCH_SIZE_BYTES_TARGET / 2;
/// Armed timers in memory: DESIGN section 5; about 15 MB of keys.
pub const TIMERS_IN_MEMORY_MAX: usize = 100_000;
/// Timers further ahead than this are not kept in memory: a customer that waits for a year needs none, and a customer
/// whose timer moves with every event moves it in rows only.
pub const TIMERS_AHEAD_MAX: TimeSpan = TimeSpan::from_hours(7 * 24);
/// When less lies ahead, the next ones are read: far before the first of them is due.
pub const TIMERS_AHEAD_MIN: TimeSpan = TimeSpan::from_hours(84);
/// Timers read from the replica at a time: with each row checked against its head, about 3 ms.
pub const TIMERS_LOADED_AT_ONCE: usize = 256;
/// Such pages that one batch waits for: in a storm of timers every partition reads as many, and events wait meanwhile.
/// A batch fires no more than one page.
pub const TIMER_PAGES_PER_LOAD_MAX: usize = 4;
/// How long a timer is left alone that was due and did not take effect: without it a fault of the deciding would spin.
pub const IDLE_FIRE_PAUSE: TimeSpan = TimeSpan::from_secs(60);
/// Customers with claimable effects in memory; more are found by paging through the replica.
pub const OFFERING_CUSTOMERS_MAX: usize = 50_000;
/// Customers read from the replica in one call when offers are looked for: a page costs about as much as a batch.
pub const OFFERS_LOADED_AT_ONCE: usize = 64;
/// Claims that wait in mailboxes at once, so that a deep outbox never crowds ingest out of a batch.
pub const CLAIMS_WAITING_MAX: usize = 128;
/// How long a worker may work on an effect when its subscription does not say.
pub const CLAIM_SPAN_DEFAULT: TimeSpan = TimeSpan::from_secs(60);
/// The shortest claim: below it the effect would be offered again while it is on its way.
pub const CLAIM_SPAN_MIN: TimeSpan = TimeSpan::from_secs(5);
/// The longest claim: for so long a dead worker keeps an effect from the others.
pub const CLAIM_SPAN_MAX: TimeSpan = TimeSpan::from_hours(12);
/// From a claim's turn until its hand-over: DESIGN section 6; later it is given back.
pub const HAND_OVER_AFTER_TURN_MAX: Duration = Duration::from_secs(2);
/// How long an effect is left alone whose claim was refused.
pub const REFUSED_CLAIM_PAUSE: TimeSpan = TimeSpan::from_secs(1);
/// How often an offer without credit looks for credit that another partition gave back.
pub const CREDIT_POLL: TimeSpan = TimeSpan::from_secs(1);
/// Worker streams of one partition: each is looked at for every free effect.
pub const WORKERS_MAX: usize = 1_024;
/// The latest retry that a worker may ask for: beyond a day it says that the channel is gone, which is another outcome.
pub const RETRY_AFTER_MAX: TimeSpan = TimeSpan::from_hours(24);
/// Times in a row that an effect which came back unbegun is offered again at once: workers of a rolling restart give
/// back what they hold one after another, and so do nodes with what they could not write. Beyond it whoever takes the
/// effect does nothing else, and each round costs two facts.
pub const RETURNS_AT_ONCE_MAX: u32 = 3;
/// The pause before the first return that is not offered again at once; it doubles with each in a row.
pub const RETURN_PAUSE_FIRST: TimeSpan = TimeSpan::from_secs(1);
/// The longest of these pauses, before jitter: a worker that was mended meanwhile has everything within minutes, and one
/// that is not costs next to nothing.
pub const RETURN_PAUSE_MAX: TimeSpan = TimeSpan::from_secs(5 * 60);
/// Panics within [`STRIKES_WINDOW`] that park a customer: DESIGN section 2.
pub const STRIKES_MAX: usize = 3;
/// The minute of DESIGN section 2.
pub const STRIKES_WINDOW: TimeSpan = TimeSpan::from_secs(60);
/// Bytes of dead letters of one partition: DESIGN section 6; over 16 partitions a GiB of a node's disk. At it a queue
/// stands still, visibly, and nothing is dropped.
pub const DEAD_LETTERS_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of durable quarantines of one partition: some hundred events of the largest size, thousands of usual ones.
pub const QUARANTINE_SIZE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Queues that are named as standing still; all of them do when the budget is used up.
pub const STOPPED_QUEUES_MAX: usize = 256;
/// Quarantined commands kept readable in memory; a command holds at most one event of 32 KiB.
pub const QUARANTINED_COMMANDS_MAX: usize = 256;
/// Bytes of a panic's text that are kept and answered.
pub const PANIC_TEXT_SIZE_BYTES_MAX: usize = 512;
/// Places (journey, rule) whose failing conditions are counted one by one; the rest goes into one sum.
pub const CONDITION_ERROR_PLACES_MAX: usize = 1_024;
/// The pause before a session is opened again after one failed; doubles up to [`SESSION_PAUSE_MAX`].
pub const SESSION_PAUSE_FIRST: TimeSpan = TimeSpan::from_ms(20);
/// The longest pause between two attempts to open a session: well below what a caller waits.
pub const SESSION_PAUSE_MAX: TimeSpan = TimeSpan::from_secs(1);
/// How often an idle leader looks at its clock, so that hours without work are not taken for a jump of the clock.
pub const CLOCK_LOOK: TimeSpan = TimeSpan::from_hours(1);
/// How far the journaled stamp may lag behind the clock of an idle leader, so that a restart of an idle node is not
/// taken for a jump of the clock either.
pub const STAMP_LAG_MAX: TimeSpan = TimeSpan::from_hours(6);
/// The forward step of a single node's clock above which timers are held: DESIGN section 5.
pub const CLOCK_STEP_MAX: TimeSpan = TimeSpan::from_hours(24);

const _: () = assert!(
    TURN_SIZE_BYTES_MAX * 2 <= ENTRY_SIZE_BYTES_MAX,
    "a turn at its bound fits into an entry, with the keys around it"
);
const _: () = assert!(
    TIMER_FIRES_SIZE_BYTES_TARGET * 2 <= BATCH_SIZE_BYTES_TARGET,
    "timers may not starve ingest"
);
const _: () = assert!(
    0 < TIMERS_AHEAD_MIN.ms() && TIMERS_AHEAD_MIN.ms() < TIMERS_AHEAD_MAX.ms(),
    "what is loaded lies ahead when it is loaded on"
);
const _: () = assert!(
    STAMP_LAG_MAX.ms() + CLOCK_LOOK.ms() < CLOCK_STEP_MAX.ms(),
    "an idle node is not taken for one whose clock jumped"
);
const _: () = assert!(
    HAND_OVER_AFTER_TURN_MAX.as_millis() < CLAIM_SPAN_MIN.ms().unsigned_abs() as u128,
    "a claim outlives its hand-over"
);
