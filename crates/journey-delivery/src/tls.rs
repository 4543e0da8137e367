//! TLS of webhooks: ring, the roots of Mozilla, and certificates of one's own.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::WebhookError;

/// The client's side of TLS; `extra_roots` is PEM.
pub(crate) fn client_config(extra_roots: Option<&[u8]>) -> Result<Arc<ClientConfig>, WebhookError> {
    let refused = |reason: String| WebhookError::Tls { reason };
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(pem) = extra_roots {
        let n_before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate
                .map_err(|error| refused(format!("a certificate cannot be read: {error}")))?;
            roots
                .add(certificate)
                .map_err(|error| refused(format!("a certificate cannot be trusted: {error}")))?;
        }
        if roots.len() == n_before {
            return Err(refused(
                "the file of certificates holds none in PEM".to_owned(),
            ));
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
