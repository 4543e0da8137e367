//! Opens connections: resolves the name, checks every address, connects to exactly a checked one.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use crate::address::AddressGuard;
use crate::limits::{ADDRESSES_TRIED_MAX, CONNECT_SPAN_MAX};
use crate::stream::WebhookStream;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFault {
    #[error("{host} does not resolve: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("every address of {host} is refused: {reason}")]
    AddressRefused { host: String, reason: String },
    #[error("connecting to {address}: {source}")]
    Connect {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("TLS with {host}: {source}")]
    Tls { host: String, source: io::Error },
}

/// Connects for one webhook.
#[derive(Debug, Clone)]
pub(crate) struct GuardedConnector {
    guard: AddressGuard,
    tls: Arc<ClientConfig>,
}

impl GuardedConnector {
    pub(crate) const fn new(guard: AddressGuard, tls: Arc<ClientConfig>) -> Self {
        Self { guard, tls }
    }

    async fn connect(self, uri: Uri) -> Result<WebhookStream, ConnectFault> {
        let is_tls = uri.scheme_str() == Some("https");
        let host = host_of(&uri).to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let addresses = self.checked_addresses(&host, port).await?;
        let stream = connect_to_first(&addresses).await?;
        if !is_tls {
            return Ok(WebhookStream::Plain(stream));
        }
        let fault = |source| ConnectFault::Tls {
            host: host.clone(),
            source,
        };
        let name = ServerName::try_from(host.clone())
            .map_err(|error| fault(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = TlsConnector::from(self.tls)
            .connect(name, stream)
            .await
            .map_err(fault)?;
        Ok(WebhookStream::Tls(Box::new(stream)))
    }

    /// The host's addresses that may be connected to; at least one.
    async fn checked_addresses(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, ConnectFault> {
        let resolved: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => lookup_host((host, port))
                .await
                .map_err(|source| ConnectFault::Resolve {
                    host: host.to_owned(),
                    source,
                })?
                .collect(),
        };
        let mut refusal = "it has none".to_owned();
        let mut allowed = Vec::new();
        for address in resolved {
            match self.guard.refusal(address.ip()) {
                None => allowed.push(address),
                Some(reason) => refusal = reason,
            }
        }
        if allowed.is_empty() {
            return Err(ConnectFault::AddressRefused {
                host: host.to_owned(),
                reason: refusal,
            });
        }
        allowed.truncate(ADDRESSES_TRIED_MAX);
        Ok(allowed)
    }
}

/// The host without the brackets of an IPv6 address.
pub(crate) fn host_of(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

async fn connect_to_first(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectFault> {
    let mut fault = None;
    for address in addresses {
        let connected = timeout(CONNECT_SPAN_MAX, TcpStream::connect(address)).await;
        let source = match connected {
            Ok(Ok(stream)) => {
                // Requests are written whole; waiting for more would only delay them.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Ok(Err(source)) => source,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "no answer"),
        };
        fault = Some(ConnectFault::Connect {
            address: *address,
            source,
        });
    }
    Err(fault.expect("the caller passes at least one address"))
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<WebhookStream>;
    type Error = ConnectFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectFault>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ConnectFault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(uri).await.map(TokioIo::new) })
    }
}
