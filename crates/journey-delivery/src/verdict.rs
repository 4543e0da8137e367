//! What an answer means for the effect and for the endpoint.
//!
//! | answer | effect | endpoint |
//! |---|---|---|
//! | 2xx | delivered | fine |
//! | 3xx | failed for good: redirects are not followed | fine |
//! | 401, 407 | failed for now: our credentials are wrong, not the message | failing |
//! | 408, 425, 429, 5xx | failed for now, not before `Retry-After` | failing |
//! | other 4xx | failed for good | fine |
//! | no answer: network, TLS, timeout, refused address | failed for now | failing |
//! | 2xx to a call without a JSON object | failed for good: the work is done, repeating it does not help | fine |

use http::StatusCode;
use journey_types::{TimeSpan, Value};

/// What becomes of the effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The receiver has it; a call has its result.
    Delivered {
        /// The JSON object that answered a call; `None` for a message.
        result: Option<Value>,
    },
    /// It is worth another attempt.
    FailedForNow {
        /// Why.
        reason: String,
        /// Not before so long, by the receiver's word.
        retry_after: Option<TimeSpan>,
    },
    /// It is not.
    FailedForGood {
        /// Why.
        reason: String,
    },
}

/// What kind of end an attempt had; the names are labels of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttemptClass {
    /// 2xx.
    Delivered,
    /// No connection, or one that broke.
    Network,
    /// No answer in time.
    Timeout,
    /// Every address of the host is refused.
    AddressRefused,
    /// 401 or 407.
    Unauthorized,
    /// 408, 425 or 429.
    Throttled,
    /// 5xx.
    ServerError,
    /// 3xx.
    Redirected,
    /// Any other status.
    Refused,
    /// 2xx to a call, but no JSON object of at most 64 KiB.
    BadAnswer,
    /// Its `send_by` had passed; nothing was sent.
    Expired,
}

/// What an attempt says about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Fine,
    /// It does not.
    Failing,
    /// Nothing.
    Unknown,
}

impl AttemptClass {
    /// Its name in metrics and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::AddressRefused => "address_refused",
            Self::Unauthorized => "unauthorized",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Redirected => "redirected",
            Self::Refused => "refused",
            Self::BadAnswer => "bad_answer",
            Self::Expired => "expired",
        }
    }

    /// What it says about the endpoint.
    #[must_use]
    pub const fn health(self) -> Health {
        match self {
            Self::Delivered | Self::Redirected | Self::Refused | Self::BadAnswer => Health::Fine,
            Self::Network
            | Self::Timeout
            | Self::AddressRefused
            | Self::Unauthorized
            | Self::Throttled
            | Self::ServerError => Health::Failing,
            Self::Expired => Health::Unknown,
        }
    }

    /// The class of a status.
    #[must_use]
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Delivered,
            300..=399 => Self::Redirected,
            401 | 407 => Self::Unauthorized,
            408 | 425 | 429 => Self::Throttled,
            500..=599 => Self::ServerError,
            _ => Self::Refused,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// For the effect.
    pub verdict: Verdict,
    /// For the figures and the breaker.
    pub class: AttemptClass,
}

impl Attempt {
    /// An attempt that failed without an answer.
    pub(crate) const fn failed_for_now(class: AttemptClass, reason: String) -> Self {
        let verdict = Verdict::FailedForNow {
            reason,
            retry_after: None,
        };
        Self { verdict, class }
    }

    /// An attempt that there need not be another one of.
    pub(crate) const fn failed_for_good(class: AttemptClass, reason: String) -> Self {
        let verdict = Verdict::FailedForGood { reason };
        Self { verdict, class }
    }
}
