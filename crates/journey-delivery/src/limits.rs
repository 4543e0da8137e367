//! Bounds of a delivery, each with its reason.

use std::time::Duration;

use journey_types::TimeSpan;

/// Bytes of an answer that are read. A result lies in `vars` (16 KiB an instance); what is larger is no answer to a call.
pub const ANSWER_SIZE_BYTES_MAX: usize = 64 * 1024;
/// Characters of a refusing answer that are kept as the reason: enough for a sentence, the core keeps 512 bytes.
pub const REASON_ANSWER_CHARS_MAX: usize = 200;
/// Addresses of one host that are tried: a name with many addresses must not use up the time of an attempt.
pub const ADDRESSES_TRIED_MAX: usize = 4;
/// Time for one address to accept a connection: an address that drops packets leaves time for the next one.
pub const CONNECT_SPAN_MAX: Duration = Duration::from_secs(3);
/// How long an unused connection is kept: shorter than what common receivers and balancers keep (60 s and more).
pub const IDLE_CONNECTION_SPAN_MAX: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is believed: a receiver's mistake must not hold an effect for a year.
pub const RETRY_AFTER_MAX: TimeSpan = TimeSpan::from_hours(24);
/// Bytes of a signing secret at least: 128 bits, what HMAC-SHA256 is worth at all.
pub const SECRET_SIZE_BYTES_MIN: usize = 16;
/// Bytes of a secret at most: a file that is larger is not a secret.
pub const SECRET_SIZE_BYTES_MAX: usize = 4 * 1024;
/// Attempts in a rate limit's shortest burst window: a tenth of a second's worth goes out at once, so that no second
/// sees more than a tenth above the rate.
pub const BURST_SHARE: u64 = 10;
/// Parts of the breaker's window: results leave it in steps of a tenth.
pub const BREAKER_WINDOW_PARTS: u32 = 10;
