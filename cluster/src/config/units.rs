//! Durations and sizes as people write them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use journey_types::{TimeSpan, WorkspaceId};
use serde::{Deserialize, Deserializer, de};

/// A text, or what is expected where there is none.
fn text<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<String, D::Error> {
    struct Text(&'static str);

    impl de::Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }

    deserializer.deserialize_str(Text(expected))
}

/// An address that must be there.
pub(crate) fn socket_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SocketAddr, D::Error> {
    let text = text(deserializer, "an address, such as \"127.0.0.1:7701\"")?;
    text.parse().map_err(|_| {
        de::Error::custom(format!(
            "`{text}` is no address; write an IP address and a port, such as `127.0.0.1:7701`"
        ))
    })
}

/// A duration in whole milliseconds, written `150ms`, `5s`, `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u64);

impl Millis {
    /// That many milliseconds.
    #[must_use]
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// Its milliseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Millis {
    /// As people write it: `90s`, `1500ms`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = TimeSpan::from_ms(i64::try_from(self.0).unwrap_or(i64::MAX));
        span.fmt(formatter)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "a duration with its unit, such as \"150ms\"")?;
        let span = TimeSpan::parse(&text).map_err(de::Error::custom)?;
        u64::try_from(span.ms())
            .map(Self)
            .map_err(de::Error::custom)
    }
}

/// A size in bytes, written `512KiB`, `64MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(u64);

const UNITS: [(&str, u64); 5] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("B", 1),
];

impl ByteCount {
    /// That many MiB.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// Its bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let (unit, unit_bytes) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*unit_bytes).map(Self)
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "a size with its unit, such as \"64MiB\"")?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is no size; write a whole number and B, KiB, MiB, GiB or TiB, such as `64MiB`"))
        })
    }
}

/// An address to listen on, or none: written as an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(Option<SocketAddr>);

impl Listen {
    /// On that address.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self(Some(address))
    }

    /// Nowhere.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// The address, unless it is off.
    #[must_use]
    pub const fn address(self) -> Option<SocketAddr> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "an address, such as \"127.0.0.1:7702\"")?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| {
            de::Error::custom(format!(
                "`{text}` is no address; write an IP address and a port, such as `127.0.0.1:7702`, or nothing to turn it off"
            ))
        })?;
        Ok(Self(Some(address)))
    }
}

/// Room on a disk: a share of it, written `10%`, or a size, written `4GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watermark {
    /// Of the disk.
    Percent(u8),
    /// In bytes.
    Bytes(u64),
}

impl<'de> Deserialize<'de> for Watermark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(
            deserializer,
            "a share or a size, such as \"10%\" or \"4GiB\"",
        )?;
        let percent = text.strip_suffix('%').map(str::parse::<u8>);
        match (percent, ByteCount::parse(&text)) {
            (Some(Ok(percent)), _) if percent < 100 => Ok(Self::Percent(percent)),
            (None, Some(bytes)) => Ok(Self::Bytes(bytes.get())),
            (Some(_) | None, _) => Err(de::Error::custom(format!(
                "`{text}` is neither a share nor a size; write `10%` or `4GiB`"
            ))),
        }
    }
}

/// Events per second, by workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates(BTreeMap<WorkspaceId, u64>);

impl Rates {
    /// The rates.
    #[must_use]
    pub const fn by_workspace(&self) -> &BTreeMap<WorkspaceId, u64> {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let rate = |(name, rate): (String, u64)| {
            let workspace = WorkspaceId::new(&name).map_err(de::Error::custom)?;
            if rate == 0 {
                let text =
                    format!("the rate of workspace `{name}` is 0; leave it out, or set at least 1");
                return Err(de::Error::custom(text));
            }
            Ok((workspace, rate))
        };
        named
            .into_iter()
            .map(rate)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}
