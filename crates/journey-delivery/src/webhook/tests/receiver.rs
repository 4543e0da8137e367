//! A webhook's far end: an HTTP server on a free port that remembers what it got and answers as told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How one request is answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Full,
    Never,
    HangUp,
}

impl Answer {
    pub(super) const fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            kind: Kind::Full,
        }
    }

    pub(super) fn never() -> Self {
        Self {
            kind: Kind::Never,
            ..Self::status(200)
        }
    }

    pub(super) fn hang_up() -> Self {
        Self {
            kind: Kind::HangUp,
            ..Self::status(200)
        }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn with_body(mut self, body: &str) -> Self {
        // 204 has none.
        if self.status != 204 {
            self.body = Bytes::from(body.to_owned());
        }
        self
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: String,
    pub(super) path: String,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

#[derive(Debug, Default)]
struct Seen {
    requests: std::sync::Mutex<Vec<Received>>,
    n_connections: AtomicUsize,
}

/// The server; it ends with the test's runtime.
#[derive(Debug)]
pub(super) struct Receiver {
    scheme: &'static str,
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Receiver {
    /// Answers the requests in turn, the last answer from then on.
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        Self::start_on(answers, None).await
    }

    /// The same over TLS.
    pub(super) async fn start_tls(answers: Vec<Answer>, config: ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start_on(answers, Some(acceptor)).await
    }

    async fn start_on(answers: Vec<Answer>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let seen = Arc::new(Seen::default());
        let shared = (Arc::clone(&seen), Arc::new(answers));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, answers) = shared.clone();
                seen.n_connections.fetch_add(1, Ordering::SeqCst);
                let service = service_fn(move |request| {
                    answer(request, Arc::clone(&seen), Arc::clone(&answers))
                });
                let http = http1::Builder::new();
                match acceptor.clone() {
                    None => {
                        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
                    }
                    Some(acceptor) => {
                        tokio::spawn(async move {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                let stream = TokioIo::new(stream);
                                drop(http.serve_connection(stream, service).await);
                            }
                        });
                    }
                }
            }
        });
        Self {
            scheme,
            address,
            seen,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(super) fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub(super) fn n_requests(&self) -> usize {
        self.seen.requests.lock().unwrap().len()
    }

    pub(super) fn n_connections(&self) -> usize {
        self.seen.n_connections.load(Ordering::SeqCst)
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
    answers: Arc<Vec<Answer>>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let number = {
        let mut requests = seen.requests.lock().unwrap();
        requests.push(Received {
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers: head.headers,
            body,
        });
        requests.len()
    };
    let answer = answers[number.min(answers.len()) - 1].clone();
    match answer.kind {
        Kind::Full => {}
        Kind::Never => std::future::pending().await,
        Kind::HangUp => return Err("hangs up".into()),
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(answer.body))?)
}
