//! One HTTP request, as a probe or a scraper makes it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;

/// Longest wait for an answer: only a hang reaches it.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// Its status code.
    pub code: u16,
    /// Its headers, as they came.
    pub head: String,
    /// Its body.
    pub body: String,
}

/// Gets a path from `127.0.0.1:<port>`.
///
/// # Errors
/// When nobody answers, or no HTTP.
pub fn http_get(address: &str, path: &str) -> anyhow::Result<HttpAnswer> {
    let mut stream =
        TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("an answer without a body")?;
    let code = head
        .split(' ')
        .nth(1)
        .context("an answer without a code")?
        .parse()?;
    Ok(HttpAnswer {
        code,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
