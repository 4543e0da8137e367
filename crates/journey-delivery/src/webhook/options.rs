//! What a webhook is made of, and what may be wrong with it.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};

use crate::address::AddressGuard;
use crate::connector::host_of;
use crate::error::WebhookError;
use crate::signature::{SIGNATURE_HEADER, Secret};
use crate::tls::client_config;
use crate::webhook::IDEMPOTENCY_HEADER;

/// A webhook, as the operator describes it.
#[derive(Clone)]
pub struct WebhookOptions {
    /// Where requests go, `https://…` or `http://…`.
    pub url: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// Headers beside those of the protocol; their values may be secrets too.
    pub headers: Vec<(String, Secret)>,
    /// From the start of a request until its answer is read.
    pub timeout: Duration,
    /// Allows addresses of one's own network.
    pub allow_private: bool,
    /// Connections that are kept open.
    pub connections_max: usize,
    /// Certificates in PEM that are trusted beside the public ones.
    pub extra_roots: Option<Vec<u8>>,
}

impl std::fmt::Debug for WebhookOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WebhookOptions(…)")
    }
}

impl WebhookOptions {
    /// Everything that is wrong, not the first only.
    #[must_use]
    pub fn problems(&self) -> Vec<WebhookError> {
        let headers = self.headers.iter();
        let mut checks = vec![
            check_url(&self.url, self.allow_private).map(drop),
            self.secret.check_for_signing(),
            client_config(self.extra_roots.as_deref()).map(drop),
        ];
        checks.extend(headers.map(|(name, value)| check_header(name, value).map(drop)));
        checks.into_iter().filter_map(Result::err).collect()
    }
}

/// Reads a URL; an address that the guard refuses is refused here already.
pub(super) fn check_url(url: &str, allow_private: bool) -> Result<Uri, WebhookError> {
    let refused = |reason: String| Err(WebhookError::Url { reason });
    let uri: Uri = match url.parse() {
        Ok(uri) => uri,
        Err(error) => return refused(format!("cannot be read: {error}")),
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || host_of(&uri).is_empty() {
        return refused("must be `https://host/path` or `http://host/path`".to_owned());
    }
    if url.contains('#') {
        return refused("has a fragment (`#…`), which is never sent; leave it out".to_owned());
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return refused(
            "holds a user or password; put it into a header by `header-files` instead".to_owned(),
        );
    }
    let host = host_of(&uri);
    if let Ok(address) = host.parse::<IpAddr>()
        && let Some(refusal) = AddressGuard::new(allow_private).refusal(address)
    {
        return refused(format!("cannot be connected to: {refusal}"));
    }
    let is_localhost = host.eq_ignore_ascii_case("localhost");
    if is_localhost && !allow_private {
        return refused(
            "points to this machine; if that is meant, set `allow-private = true`".to_owned(),
        );
    }
    Ok(uri)
}

/// Reads a header; those of the protocol and the delivery are not for an operator to set.
pub(super) fn check_header(
    name: &str,
    value: &Secret,
) -> Result<(HeaderName, HeaderValue), WebhookError> {
    let refused = |reason: &str| WebhookError::Header {
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| refused("is no name of a header"))?;
    let own = [
        HOST,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        TRANSFER_ENCODING,
        CONNECTION,
        TE,
        UPGRADE,
        HeaderName::from_static(IDEMPOTENCY_HEADER),
        HeaderName::from_static(SIGNATURE_HEADER),
    ];
    if own.contains(&parsed) {
        return Err(refused("is set by journeyd and cannot be configured"));
    }
    let mut value = HeaderValue::from_bytes(value.bytes())
        .map_err(|_| refused("has a value that no header may have (a line end, for one)"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}
