//! The signature of a request, in the form that receivers know from Stripe.
//!
//! `Journeyd-Signature: t=<unix seconds>,v1=<hex>`, where `hex` is HMAC-SHA256 over `<unix seconds>.<body>` with the
//! connector's secret. A receiver computes the same, compares in constant time, and refuses what is older than a few
//! minutes; a repeated request is signed anew, its `Idempotency-Key` stays.

use std::fmt;
use std::fmt::Write as _;

use journey_types::Timestamp;
use ring::hmac;

use crate::error::WebhookError;
use crate::limits::{SECRET_SIZE_BYTES_MAX, SECRET_SIZE_BYTES_MIN};

/// The header that carries it.
pub const SIGNATURE_HEADER: &str = "journeyd-signature";

/// Bytes that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The content of a secret file, without the line end that editors leave.
    ///
    /// # Errors
    /// When it is empty or too large to be one.
    pub fn from_file_content(content: &[u8]) -> Result<Self, WebhookError> {
        let mut bytes = content;
        while let [head @ .., b'\n' | b'\r'] = bytes {
            bytes = head;
        }
        let refused = |reason: String| Err(WebhookError::Secret { reason });
        if bytes.is_empty() {
            return refused("is empty".to_owned());
        }
        if bytes.len() > SECRET_SIZE_BYTES_MAX {
            return refused(format!("is longer than {SECRET_SIZE_BYTES_MAX} bytes"));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// Checks that it is long enough to sign with.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_for_signing(&self) -> Result<(), WebhookError> {
        if self.0.len() < SECRET_SIZE_BYTES_MIN {
            return Err(WebhookError::Secret {
                reason: format!(
                    "has {} bytes, at least {SECRET_SIZE_BYTES_MIN} are needed; draw one, such as with \
                     `head -c 32 /dev/urandom | base64`",
                    self.0.len()
                ),
            });
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// The header's value for a body that is sent at an instant.
#[must_use]
pub fn sign(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    let unix_secs = at.unix_ms() / 1_000;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(unix_secs.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let mut value = format!("t={unix_secs},v1=");
    for byte in context.sign().as_ref() {
        write!(value, "{byte:02x}").expect("writing to a String cannot fail");
    }
    value
}

#[cfg(test)]
mod tests;
