//! Ids made of text. `Display` is the wire form; each checks its form when made.

use std::fmt;
use std::sync::Arc;

use crate::error::InvalidId;
use crate::limits::{AUTHORED_ID_SIZE_BYTES_MAX, EVENT_NAME_SIZE_BYTES_MAX, ID_SIZE_BYTES_MAX};

fn check_free(kind: &'static str, text: &str, size_bytes_max: usize) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty { kind });
    }
    if text.len() > size_bytes_max {
        return Err(InvalidId::TooLong {
            kind,
            size_bytes: text.len(),
            size_bytes_max,
        });
    }
    if text.chars().any(char::is_control) {
        let form = "text without control characters";
        return Err(InvalidId::Malformed {
            kind,
            text: text.to_owned(),
            form,
        });
    }
    Ok(())
}

fn check_authored(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    check_free(kind, text, AUTHORED_ID_SIZE_BYTES_MAX)?;
    let part_is_fine = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if text.split('/').all(part_is_fine) {
        return Ok(());
    }
    let form = "[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*";
    Err(InvalidId::Malformed {
        kind,
        text: text.to_owned(),
        form,
    })
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        ///
        /// Cheap to clone: the text is shared.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and makes the id.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, too long or not of the form.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let check: fn(&str) -> Result<(), InvalidId> = $check;
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A tenant: customers of two workspaces never meet. 1 to 256 bytes; `default` where none is named.
    WorkspaceId, |text| check_free("workspace id", text, ID_SIZE_BYTES_MAX)
);
text_id!(
    /// The id by which a workspace knows one customer. 1 to 256 bytes.
    CustomerId, |text| check_free("customer id", text, ID_SIZE_BYTES_MAX)
);
text_id!(
    /// The producer's id of one event: the idempotency key of ingest, with its source. 1 to 256 bytes.
    EventId, |text| check_free("event id", text, ID_SIZE_BYTES_MAX)
);
text_id!(
    /// The caller's id of one enroll call for one customer: with the journey its idempotency key. 1 to 256 bytes.
    EnrollmentId, |text| check_free("enroll id", text, ID_SIZE_BYTES_MAX)
);
text_id!(
    /// Where an event comes from. 1 to 256 bytes; `default` where none is named.
    SourceName, |text| check_free("source", text, ID_SIZE_BYTES_MAX)
);
text_id!(
    /// What happened, matched exactly. 1 to 128 bytes.
    EventName, |text| check_free("event name", text, EVENT_NAME_SIZE_BYTES_MAX)
);
text_id!(
    /// An authored journey, over all its versions.
    JourneyId, |text| check_authored("journey id", text)
);
text_id!(
    /// One step of a journey; `end` is built in.
    StepId, |text| check_authored("step id", text)
);
text_id!(
    /// A piece of content, over all its versions and variants.
    ContentId, |text| check_authored("content id", text)
);
text_id!(
    /// A schema document.
    SchemaId, |text| check_authored("schema id", text)
);
text_id!(
    /// A map document: how a delimited file is read.
    MapId, |text| check_authored("map id", text)
);
text_id!(
    /// A way to reach a customer, such as `email` or `push`.
    Channel, |text| check_authored("channel", text)
);
text_id!(
    /// A named queue of work that workers subscribe to.
    QueueId, |text| check_authored("queue", text)
);
text_id!(
    /// A connector that the node itself runs, by its name in the node's configuration.
    ConnectorId, |text| check_authored("connector", text)
);

impl WorkspaceId {
    /// The workspace of events that name none.
    #[must_use]
    pub fn default_workspace() -> Self {
        Self(Arc::from("default"))
    }
}

impl StepId {
    /// The built-in last step, at which an instance completes.
    #[must_use]
    pub fn end() -> Self {
        Self(Arc::from("end"))
    }
}

/// The address of a customer actor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerKey {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The customer in it.
    pub customer: CustomerId,
}

impl fmt::Display for CustomerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.workspace, self.customer)
    }
}
