//! `[connectors.<name>]`: endpoints that the node itself delivers to.
//!
//! They are declared here, node by node, until `policy` documents carry them; every node of a cluster should have the
//! same ones. Secrets lie in files and are read once, at the start.

mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use journey_delivery::{Rate, WebhookError, WebhookOptions};
use journey_types::{Channel, ConnectorId, Destination, WorkspaceId};
use serde::{Deserialize, Deserializer, de};

use crate::config::Millis;

/// The connectors by name.
pub(crate) type ConnectorConfigs = BTreeMap<String, ConnectorConfig>;

/// `[connectors.<name>]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    expecting = "a table of its keys"
)]
pub struct ConnectorConfig {
    /// What it is: `webhook`.
    pub kind: ConnectorKind,
    /// Where effects are posted, `https://…` or `http://…`. Its path may be a secret; it is never logged.
    pub url: ConnectorUrl,
    /// File with the secret that requests are signed with, at least 16 bytes; a line end at its end does not count.
    pub secret_file: PathBuf,
    /// Message channels it delivers, each by one connector only. Empty: it serves `call: { webhook: <name> }` alone.
    #[serde(default)]
    pub channels: BTreeSet<String>,
    /// Workspace whose effects it takes, default `default`.
    #[serde(default = "default_workspace")]
    pub workspace: String,
    /// From the start of a request until its answer is read, 100ms to 60s, default 10s.
    #[serde(default = "default_timeout")]
    pub timeout: Millis,
    /// Requests under way at once, 1 to 256, default 16.
    #[serde(default = "default_concurrency")]
    pub concurrency: u32,
    /// Requests in a span at most, such as `50/s`, `600/m`, `1000/h`. Default: no limit but the concurrency.
    pub rate: Option<ConnectorRate>,
    /// Allows addresses of your own network (private, loopback). Default false.
    #[serde(default)]
    pub allow_private: bool,
    /// File with certificates in PEM that are trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Further headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Further headers whose values are secrets, each in a file.
    #[serde(default)]
    pub header_files: BTreeMap<String, PathBuf>,
    /// How often and how fast an effect is tried.
    #[serde(default)]
    pub retry: RetryConfig,
    /// When the endpoint is left alone.
    #[serde(default)]
    pub breaker: BreakerConfig,
}

/// What a connector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectorKind {
    /// Signed HTTP requests.
    Webhook,
}

/// `[connectors.<name>.retry]` and `[channels.<name>.retry]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct RetryConfig {
    /// Attempts before an effect becomes a dead letter, 1 to 1000, default 20.
    pub attempts_max: u32,
    /// The pause after the first failure, which doubles with every attempt, 10ms to 1h, default 1s.
    pub pause_first: Millis,
    /// The longest pause, up to 24h, default 30m.
    pub pause_max: Millis,
}

/// `[channels.<name>]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct ChannelConfig {
    /// How often and how fast an effect is tried.
    pub retry: RetryConfig,
}

/// `[connectors.<name>.breaker]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct BreakerConfig {
    /// Failures within the window that open it, if they are half of all results there, 1 to 10000, default 10.
    pub failures: u32,
    /// The span that results count for, 1s to 1h, default 30s.
    pub window: Millis,
    /// How long it stays open before one request tries again, 100ms to 1h, default 30s.
    pub open_for: Millis,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts_max: 20,
            pause_first: Millis::new(1_000),
            pause_max: Millis::new(30 * 60 * 1_000),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failures: 10,
            window: Millis::new(30_000),
            open_for: Millis::new(30_000),
        }
    }
}

fn default_workspace() -> String {
    WorkspaceId::default_workspace().to_string()
}

const fn default_timeout() -> Millis {
    Millis::new(10_000)
}

const fn default_concurrency() -> u32 {
    16
}

/// A URL that is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ConnectorUrl(String);

impl fmt::Debug for ConnectorUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ConnectorUrl(…)")
    }
}

/// A rate as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectorRate(Rate);

impl ConnectorRate {
    /// The rate.
    #[must_use]
    pub const fn get(self) -> Rate {
        self.0
    }
}

impl<'de> Deserialize<'de> for ConnectorRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

/// Everything that is wrong with the connectors, each problem with its key.
pub(super) fn problems(connectors: &ConnectorConfigs) -> Vec<String> {
    let mut problems = Vec::new();
    let mut takers: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (name, connector) in connectors {
        let found = connector.problems(name);
        problems.extend(
            found
                .into_iter()
                .map(|problem| format!("connectors.{name}.{problem}")),
        );
        for channel in &connector.channels {
            if let Some(other) = takers.insert((&connector.workspace, channel), name) {
                problems.push(format!(
                    "connectors.{name}.channels: `{channel}` is delivered by the connector `{other}` already; one \
                     channel, one connector"
                ));
            }
        }
    }
    problems
}

/// What does not hold of the channels.
pub(super) fn channel_problems(channels: &BTreeMap<String, ChannelConfig>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, ChannelConfig { retry }) in channels {
        if let Err(error) = name.parse::<Destination>() {
            problems.push(format!("channels.{name}: {error}"));
        }
        if !(1..=1_000).contains(&retry.attempts_max) {
            problems.push(format!(
                "channels.{name}.retry.attempts-max = {} is not in 1 to 1000",
                retry.attempts_max
            ));
        }
        for (key, span, max_ms) in [
            ("pause-first", retry.pause_first, 3_600_000),
            ("pause-max", retry.pause_max, 86_400_000),
        ] {
            if !(10..=max_ms).contains(&span.get()) {
                problems.push(format!(
                    "channels.{name}.retry.{key} = {span} is not in 10ms to {}",
                    Millis::new(max_ms)
                ));
            }
        }
        if retry.pause_max < retry.pause_first {
            problems.push(format!(
                "channels.{name}.retry.pause-max is below retry.pause-first"
            ));
        }
    }
    problems
}

/// What is wrong with a webhook, after the key it comes from.
fn with_key(problem: &WebhookError) -> String {
    let key = match problem {
        WebhookError::Url { .. } => "url",
        WebhookError::Secret { .. } => "secret-file",
        WebhookError::Header { .. } => "headers",
        WebhookError::Tls { .. } => "ca-file",
    };
    format!("{key}: {problem}")
}

impl ConnectorConfig {
    fn problems(&self, name: &str) -> Vec<String> {
        let mut problems = self.range_problems();
        if let Err(error) = ConnectorId::new(name) {
            problems.push(format!("name: {error}"));
        }
        if let Err(error) = WorkspaceId::new(&self.workspace) {
            problems.push(format!("workspace: {error}"));
        }
        for channel in &self.channels {
            if let Err(error) = Channel::new(channel) {
                problems.push(format!("channels: {error}"));
            }
        }
        for header in self.header_files.keys() {
            if self
                .headers
                .keys()
                .any(|other| other.eq_ignore_ascii_case(header))
            {
                problems.push(format!(
                    "header-files: `{header}` stands in `headers` too; once is enough"
                ));
            }
        }
        match self.webhook_options() {
            Ok(options) => problems.extend(options.problems().iter().map(with_key)),
            Err(unread) => problems.extend(unread),
        }
        problems
    }

    fn range_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let spans = [
            ("timeout", self.timeout, 100, 60_000),
            ("retry.pause-first", self.retry.pause_first, 10, 3_600_000),
            ("retry.pause-max", self.retry.pause_max, 10, 86_400_000),
            ("breaker.window", self.breaker.window, 1_000, 3_600_000),
            ("breaker.open-for", self.breaker.open_for, 100, 3_600_000),
        ];
        for (key, span, min_ms, max_ms) in spans {
            if !(min_ms..=max_ms).contains(&span.get()) {
                problems.push(format!(
                    "{key} = {span} is not in {} to {}",
                    Millis::new(min_ms),
                    Millis::new(max_ms)
                ));
            }
        }
        let numbers = [
            ("concurrency", self.concurrency, 256),
            ("retry.attempts-max", self.retry.attempts_max, 1_000),
            ("breaker.failures", self.breaker.failures, 10_000),
        ];
        for (key, number, max) in numbers {
            if !(1..=max).contains(&number) {
                problems.push(format!("{key} = {number} is not in 1 to {max}"));
            }
        }
        if self.retry.pause_max < self.retry.pause_first {
            problems.push("retry.pause-max is below retry.pause-first".to_owned());
        }
        problems
    }

    /// What the webhook is made of; reads the files of secrets and certificates.
    ///
    /// # Errors
    /// Every file that cannot be used, with its key.
    pub(crate) fn webhook_options(&self) -> Result<WebhookOptions, Vec<String>> {
        let mut unread = Vec::new();
        let mut note = |key: &str, reason: String| unread.push(format!("{key}: {reason}"));
        let secret = secrets::secret_of_file(&self.secret_file)
            .map_err(|reason| note("secret-file", reason));
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            match secrets::secret_of_text(value) {
                Ok(value) => headers.push((name.clone(), value)),
                Err(reason) => note("headers", format!("`{name}`: {reason}")),
            }
        }
        for (name, path) in &self.header_files {
            match secrets::secret_of_file(path) {
                Ok(value) => headers.push((name.clone(), value)),
                Err(reason) => note("header-files", format!("`{name}`: {reason}")),
            }
        }
        let extra_roots = self.ca_file.as_deref().map(secrets::certificates_of_file);
        let extra_roots = extra_roots
            .transpose()
            .map_err(|reason| note("ca-file", reason));
        match (secret, extra_roots) {
            (Ok(secret), Ok(extra_roots)) if unread.is_empty() => Ok(WebhookOptions {
                url: self.url.0.clone(),
                secret,
                headers,
                timeout: self.timeout.duration(),
                allow_private: self.allow_private,
                connections_max: usize::try_from(self.concurrency).unwrap_or(usize::MAX),
                extra_roots,
            }),
            _ => Err(unread),
        }
    }
}

#[cfg(test)]
mod tests;
