//! Why a webhook cannot be set up.

/// What is wrong with its options. Neither secrets nor URLs are told: the path of a URL is often a secret too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The URL.
    #[error("the URL {reason}")]
    Url {
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// A secret.
    #[error("the secret {reason}")]
    Secret {
        /// What is wrong with it.
        reason: String,
    },
    /// A header.
    #[error("the header `{name}` {reason}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates of `ca-file`, or what TLS stands on.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
}
