//! Delivers effects to webhooks: one signed HTTP request an attempt, and what its answer means.
//!
//! Never claims or settles anything, never reads a clock for a decision, never follows a redirect, never connects to an
//! address that was not checked.
//!
//! ```text
//!   Delivery ──► Webhook: sign ─ resolve ─ guard ─ connect ─ POST ──► Attempt { verdict, class }
//!   now, health of attempts ──► Flow: concurrency ─ RateLimit ─ Breaker ──► how much credit may be out
//! ```
//!
//! Start at [`Webhook::deliver`] and [`Flow::target`]; [`Delivery`] is the body that a receiver gets.

mod delivery;
mod error;
mod json;
pub mod limits;

mod breaker;
mod flow;
mod rate_limit;

mod address;
mod retry_after;
mod signature;
mod verdict;

mod connector;
mod stream;
mod tls;
mod webhook;

pub use address::AddressGuard;
pub use breaker::{Breaker, BreakerOptions, BreakerState};
pub use delivery::Delivery;
pub use error::WebhookError;
pub use flow::{Flow, FlowOptions};
pub use json::{json_from_value, value_from_json};
pub use rate_limit::{Rate, RateLimit};
pub use retry_after::parse_retry_after;
pub use signature::{SIGNATURE_HEADER, Secret, sign};
pub use verdict::{Attempt, AttemptClass, Health, Verdict};
pub use webhook::{IDEMPOTENCY_HEADER, Webhook, WebhookOptions};
