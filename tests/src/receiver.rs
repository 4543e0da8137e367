//! A webhook's far end as a process of its own: it writes what it gets to a file and answers as another file says.
//!
//! The answers file holds one line: `200`, `503 Retry-After: 1`, `200 {"tier": "gold"}`, or `hold` (no answer until the
//! file says another word). It is read anew for every request.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::node_process::Programs;

/// Bytes of a request's body: the tests send far less.
const BODY_SIZE_BYTES_MAX: usize = 1 << 20;
/// Pause between two looks at an answers file that says `hold`.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A request as it arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceivedRequest {
    /// `POST /hook HTTP/1.1`.
    pub line: String,
    /// Header lines with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl ReceivedRequest {
    /// The value of a header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        found.next().map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.body).context("the body of a request")
    }
}

/// A running receiver. Dropping it kills it.
#[derive(Debug)]
pub struct ReceiverProcess {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl ReceiverProcess {
    /// Starts one on a free port with its two files in the folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(programs: &Programs, folder: &Path, answer: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("answer"), answer)?;
        let mut child = programs
            .command("receiver")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a receiver")?;
        let pipe = child.stdout.take().context("its output is not piped")?;
        let mut address = String::new();
        BufReader::new(pipe).read_line(&mut address)?;
        Ok(Self {
            child,
            address: address.trim().to_owned(),
            folder: folder.to_path_buf(),
        })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Answers so from now on, also what is held.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn answer(&self, answer: &str) -> anyhow::Result<()> {
        // Renamed, so that it is never read half written.
        let fresh = self.folder.join("answer.new");
        std::fs::write(&fresh, answer)?;
        Ok(std::fs::rename(fresh, self.folder.join("answer"))?)
    }

    /// What it got so far, in order of arrival.
    ///
    /// # Errors
    /// When the file does not hold what the receiver writes.
    pub fn received(&self) -> anyhow::Result<Vec<ReceivedRequest>> {
        let text = std::fs::read_to_string(self.folder.join("received")).unwrap_or_default();
        // A line without its end is still being written.
        let whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        whole
            .map(|line| serde_json::from_str(line).context("a line of the receiver"))
            .collect()
    }
}

impl Drop for ReceiverProcess {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// The process: serves until it is killed.
pub fn run_receiver(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("receiver: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(mut arguments: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let folder = PathBuf::from(arguments.nth(1).context("the folder is missing")?);
    let mut options = OpenOptions::new();
    let received = options
        .create(true)
        .append(true)
        .open(folder.join("received"))?;
    let received = Arc::new(Mutex::new(received));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut output = std::io::stdout();
    writeln!(output, "http://{}", listener.local_addr()?)?;
    output.flush()?;
    for stream in listener.incoming() {
        let (stream, received) = (stream?, Arc::clone(&received));
        let answers = folder.join("answer");
        std::thread::spawn(move || {
            // A connection that the node cuts is no failure of the test.
            drop(serve_connection(&stream, &received, &answers));
        });
    }
    Ok(())
}

fn serve_connection(
    stream: &TcpStream,
    received: &Mutex<File>,
    answers: &Path,
) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read_request(&mut reader)? {
        let mut line = serde_json::to_string(&request)?;
        line.push('\n');
        received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(line.as_bytes())?;
        let answer = loop {
            let answer = std::fs::read_to_string(answers)?;
            if answer.trim() != "hold" {
                break answer;
            }
            std::thread::sleep(LOOK_INTERVAL);
        };
        write_answer(stream, answer.trim())?;
    }
    Ok(())
}

/// `None` when the connection ended between two requests.
fn read_request(reader: &mut BufReader<TcpStream>) -> anyhow::Result<Option<ReceivedRequest>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = ReceivedRequest {
        line: line.trim_end().to_owned(),
        headers,
        body: String::new(),
    };
    let size: usize = request.header("content-length").parse()?;
    anyhow::ensure!(size <= BODY_SIZE_BYTES_MAX, "a body of {size} bytes");
    let mut body = vec![0; size];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8(body)?;
    Ok(Some(request))
}

/// `<status> [Name: value | body]`.
fn write_answer(mut stream: &TcpStream, answer: &str) -> anyhow::Result<()> {
    let (status, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    let (header, body) = if rest.is_empty() || rest.starts_with('{') {
        (String::new(), rest)
    } else {
        (format!("{rest}\r\n"), "")
    };
    let text = format!(
        "HTTP/1.1 {status} As told\r\n{header}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes())?;
    Ok(())
}
