//! What a receiver gets: the JSON body of the request.

use std::collections::BTreeMap;

use journey_types::Timestamp;
use serde::{Serialize, Serializer};

/// One effect on its way, as the body of a request. Fields that do not apply are absent; instants are RFC 3339 in UTC.
///
/// A message carries `channel`, `content`, `content_version` and `rendered`; a call carries `input`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivery {
    /// Names the effect for ever; the same in `Idempotency-Key` and over all attempts.
    pub effect_id: String,
    /// 1 for the first hand-over of the effect; a crash of the node may skip numbers.
    pub attempt: u32,
    /// `message` or `call`.
    pub kind: &'static str,
    /// The channel of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The tenant.
    pub workspace: String,
    /// Whose effect.
    pub customer_id: String,
    /// The journey.
    pub journey: String,
    /// Its version.
    pub version: u32,
    /// The step that emitted it.
    pub step: String,
    /// The customer's instance of the journey.
    pub instance: u64,
    /// The content document of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_version: Option<u32>,
    /// The message as it was rendered in the turn that emitted it, by field such as `subject` and `body`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rendered: BTreeMap<String, String>,
    /// What a call is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<serde_json::Value>,
    /// Why the customer gets it, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The consent purpose of a message.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// When it was emitted.
    #[serde(serialize_with = "instant")]
    pub created_at: Timestamp,
    /// After this instant it is not worth sending.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_instant"
    )]
    pub send_by: Option<Timestamp>,
}

impl Delivery {
    /// Whether its answer is wanted: the result of a call.
    #[must_use]
    pub fn wants_result(&self) -> bool {
        self.kind == "call"
    }
}

fn instant<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(instant)
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn optional_instant<S: Serializer>(
    instant: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => serializer.collect_str(instant),
        None => serializer.serialize_none(),
    }
}
