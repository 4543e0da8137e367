//! Judges an answer: its status, its `Retry-After`, and for a call its body.

use bytes::Bytes;
use http::Response;
use http::header::{LOCATION, RETRY_AFTER};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use journey_types::limits::VARS_SIZE_BYTES_MAX;
use journey_types::{TimeSpan, Timestamp, Value};
use tokio::time::{Instant, timeout_at};

use crate::json::value_from_json;
use crate::limits::{ANSWER_SIZE_BYTES_MAX, REASON_ANSWER_CHARS_MAX};
use crate::retry_after::parse_retry_after;
use crate::verdict::{Attempt, AttemptClass, Verdict};

/// Why a body was not read.
enum BodyFault {
    TooLarge,
    Late,
    Broken(String),
}

/// What the answer means; its body is read up to the deadline and the bound.
pub(super) async fn judge(
    response: Response<Incoming>,
    wants_result: bool,
    deadline: Instant,
    now: Timestamp,
) -> Attempt {
    let (head, body) = response.into_parts();
    let class = AttemptClass::of_status(head.status);
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = text(RETRY_AFTER).and_then(|value| parse_retry_after(value, now));
    let location = text(LOCATION).map(str::to_owned);
    // Read also where nobody needs it, so that the connection can be used again.
    let body = match timeout_at(deadline, read(body)).await {
        Ok(read) => read,
        Err(_) => Err(BodyFault::Late),
    };
    match class {
        AttemptClass::Delivered if wants_result => judge_result(body),
        AttemptClass::Delivered => Attempt {
            verdict: Verdict::Delivered { result: None },
            class,
        },
        AttemptClass::Redirected => {
            let to = location.map_or_else(String::new, |to| {
                format!(" to {}", shortened(to.as_bytes()))
            });
            let reason = format!(
                "HTTP {}: redirects are not followed; the webhook redirects{to}: configure the final URL",
                head.status.as_u16()
            );
            Attempt::failed_for_good(class, reason)
        }
        AttemptClass::Refused => {
            Attempt::failed_for_good(class, reason(head.status.as_u16(), body.ok()))
        }
        AttemptClass::Network
        | AttemptClass::Timeout
        | AttemptClass::AddressRefused
        | AttemptClass::Unauthorized
        | AttemptClass::Throttled
        | AttemptClass::ServerError
        | AttemptClass::BadAnswer
        | AttemptClass::Expired => for_now(class, head.status.as_u16(), body.ok(), retry_after),
    }
}

fn for_now(
    class: AttemptClass,
    status: u16,
    body: Option<Bytes>,
    retry_after: Option<TimeSpan>,
) -> Attempt {
    let reason = reason(status, body);
    let verdict = Verdict::FailedForNow {
        reason,
        retry_after,
    };
    Attempt { verdict, class }
}

/// The answer to a call: a JSON object; an empty body is an empty one.
fn judge_result(body: Result<Bytes, BodyFault>) -> Attempt {
    let bad = |reason: String| Attempt::failed_for_good(AttemptClass::BadAnswer, reason);
    let body = match body {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => {
            return bad(format!(
                "the answer is larger than {ANSWER_SIZE_BYTES_MAX} bytes"
            ));
        }
        Err(BodyFault::Late) => {
            let reason = "the answer began in time but did not end".to_owned();
            return Attempt::failed_for_now(AttemptClass::Timeout, reason);
        }
        Err(BodyFault::Broken(reason)) => {
            return Attempt::failed_for_now(AttemptClass::Network, reason);
        }
    };
    let parsed = if body.is_empty() {
        Ok(serde_json::Value::Object(serde_json::Map::new()))
    } else {
        serde_json::from_slice(&body)
    };
    let result = match parsed {
        Ok(json) => value_from_json(json),
        Err(error) => return bad(format!("the answer is no JSON: {error}")),
    };
    if !matches!(result, Value::Map(_)) {
        return bad(format!(
            "the answer is a JSON {}, but a result must be an object",
            result.kind()
        ));
    }
    let size_bytes = result.size_bytes();
    if size_bytes > VARS_SIZE_BYTES_MAX {
        return bad(format!(
            "the answer takes {size_bytes} bytes, at most {VARS_SIZE_BYTES_MAX} are kept in the instance"
        ));
    }
    if !result.depth_is_fine() {
        return bad("the answer nests too deep".to_owned());
    }
    let verdict = Verdict::Delivered {
        result: Some(result),
    };
    Attempt {
        verdict,
        class: AttemptClass::Delivered,
    }
}

async fn read(body: Incoming) -> Result<Bytes, BodyFault> {
    match Limited::new(body, ANSWER_SIZE_BYTES_MAX).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyFault::TooLarge),
        Err(error) => Err(BodyFault::Broken(format!(
            "the connection broke while the answer was read: {error}"
        ))),
    }
}

/// `HTTP 400: <what the receiver says>`.
fn reason(status: u16, body: Option<Bytes>) -> String {
    let said = body.map_or_else(String::new, |body| shortened(&body));
    if said.is_empty() {
        format!("HTTP {status}")
    } else {
        format!("HTTP {status}: {said}")
    }
}

/// The beginning of a text from outside, in one line.
fn shortened(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let shown = line.chars().filter(|shown| !shown.is_control());
    shown.take(REASON_ANSWER_CHARS_MAX).collect()
}
