//! Where an effect goes: a channel, a queue of work, or a connector of the node.

use std::fmt;
use std::str::FromStr;

use crate::error::InvalidId;
use crate::ids::{Channel, ConnectorId, QueueId};

/// Where an effect goes. `Display` is the wire form: `push`, `queue:care`, `webhook:crm`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// To the customer, on a channel: messages, in order of emission.
    Channel(Channel),
    /// To whoever takes work from this queue: calls and tasks, each on its own.
    Queue(QueueId),
    /// To a connector that the node itself runs: calls, each on its own.
    Connector(ConnectorId),
}

/// How the wire form of a queue begins.
const QUEUE_PREFIX: &str = "queue:";
/// How the wire form of a connector begins.
const CONNECTOR_PREFIX: &str = "webhook:";

impl Destination {
    /// Whether effects of one customer go there one at a time, in order of emission.
    #[must_use]
    pub const fn is_ordered(&self) -> bool {
        match self {
            Self::Channel(_) => true,
            Self::Queue(_) | Self::Connector(_) => false,
        }
    }

    /// The channel, if it is one.
    #[must_use]
    pub const fn channel(&self) -> Option<&Channel> {
        match self {
            Self::Channel(channel) => Some(channel),
            Self::Queue(_) | Self::Connector(_) => None,
        }
    }
}

impl From<Channel> for Destination {
    fn from(channel: Channel) -> Self {
        Self::Channel(channel)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => formatter.write_str(channel.as_str()),
            Self::Queue(queue) => write!(formatter, "{QUEUE_PREFIX}{queue}"),
            Self::Connector(connector) => write!(formatter, "{CONNECTOR_PREFIX}{connector}"),
        }
    }
}

impl FromStr for Destination {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if let Some(queue) = text.strip_prefix(QUEUE_PREFIX) {
            QueueId::new(queue).map(Self::Queue)
        } else if let Some(connector) = text.strip_prefix(CONNECTOR_PREFIX) {
            ConnectorId::new(connector).map(Self::Connector)
        } else {
            Channel::new(text).map(Self::Channel)
        }
    }
}

#[cfg(test)]
mod tests;
