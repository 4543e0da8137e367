//! One webhook: makes the request, sends it once, judges the answer.

mod answer;
mod options;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use journey_types::Timestamp;
use tokio::time::{Instant, timeout_at};

pub use options::WebhookOptions;

use self::options::{check_header, check_url};
use crate::address::AddressGuard;
use crate::connector::{ConnectFault, GuardedConnector, host_of};
use crate::delivery::Delivery;
use crate::error::WebhookError;
use crate::limits::IDLE_CONNECTION_SPAN_MAX;
use crate::signature::{SIGNATURE_HEADER, Secret, sign};
use crate::tls::client_config;
use crate::verdict::{Attempt, AttemptClass};

/// The header that names the effect; the same over all attempts, also after a crash.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
const AGENT: &str = concat!("journeyd/", env!("CARGO_PKG_VERSION"));

/// A webhook that requests can be sent to. Connections are kept and used again.
pub struct Webhook {
    uri: Uri,
    secret: Secret,
    headers: HeaderMap,
    timeout: Duration,
    client: Client<GuardedConnector, Full<Bytes>>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Webhook({})", host_of(&self.uri))
    }
}

impl Webhook {
    /// Sets it up; nothing is sent yet.
    ///
    /// # Errors
    /// [`WebhookError`]: what [`WebhookOptions::problems`] reports first.
    pub fn new(options: WebhookOptions) -> Result<Self, WebhookError> {
        let uri = check_url(&options.url, options.allow_private)?;
        options.secret.check_for_signing()?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in &options.headers {
            let (name, value) = check_header(name, value)?;
            headers.insert(name, value);
        }
        let guard = AddressGuard::new(options.allow_private);
        let connector =
            GuardedConnector::new(guard, client_config(options.extra_roots.as_deref())?);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_SPAN_MAX)
            .pool_max_idle_per_host(options.connections_max)
            .build(connector);
        Ok(Self {
            uri,
            secret: options.secret,
            headers,
            timeout: options.timeout,
            client,
        })
    }

    /// Sends the effect once. `now` stamps the signature, and an effect whose `send_by` lies before it is not sent.
    ///
    /// # Cancel safety
    /// Not safe: the request may have reached the receiver.
    pub async fn deliver(&self, delivery: &Delivery, now: Timestamp) -> Attempt {
        if delivery.send_by.is_some_and(|send_by| send_by < now) {
            // The turn of the next claim withdraws it.
            let reason = "its send_by has passed; it was not sent".to_owned();
            return Attempt::failed_for_now(AttemptClass::Expired, reason);
        }
        let request = match self.request(delivery, now) {
            Ok(request) => request,
            Err(reason) => return Attempt::failed_for_good(AttemptClass::Refused, reason),
        };
        let deadline = Instant::now() + self.timeout;
        match timeout_at(deadline, self.client.request(request)).await {
            Ok(Ok(response)) => {
                answer::judge(response, delivery.wants_result(), deadline, now).await
            }
            Ok(Err(error)) => no_answer(&error),
            Err(_) => {
                let reason = format!("no answer within {} ms", self.timeout.as_millis());
                Attempt::failed_for_now(AttemptClass::Timeout, reason)
            }
        }
    }

    fn request(&self, delivery: &Delivery, now: Timestamp) -> Result<Request<Full<Bytes>>, String> {
        let body = serde_json::to_vec(delivery)
            .map_err(|error| format!("the effect cannot be written as JSON: {error}"))?;
        let invalid = |error: http::Error| format!("the request cannot be made: {error}");
        let signature = sign(&self.secret, now, &body);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .body(Full::new(Bytes::from(body)))
            .map_err(invalid)?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        for (name, value) in [
            (IDEMPOTENCY_HEADER, delivery.effect_id.as_str()),
            (SIGNATURE_HEADER, signature.as_str()),
        ] {
            let value =
                HeaderValue::from_str(value).map_err(|error| invalid(http::Error::from(error)))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(request)
    }
}

/// The attempt that got no answer, by the deepest cause that says something.
fn no_answer(error: &(dyn Error + 'static)) -> Attempt {
    let mut cause = Some(error);
    let mut last = error;
    while let Some(found) = cause {
        if let Some(fault) = found.downcast_ref::<ConnectFault>() {
            let class = match fault {
                ConnectFault::AddressRefused { .. } => AttemptClass::AddressRefused,
                ConnectFault::Resolve { .. }
                | ConnectFault::Connect { .. }
                | ConnectFault::Tls { .. } => AttemptClass::Network,
            };
            return Attempt::failed_for_now(class, fault.to_string());
        }
        last = found;
        cause = found.source();
    }
    Attempt::failed_for_now(
        AttemptClass::Network,
        format!("the connection broke: {last}"),
    )
}

#[cfg(test)]
mod tests;
