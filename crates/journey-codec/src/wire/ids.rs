//! The newtypes of `journey-types` as fields.

use journey_types::{
    AggregateId, BatchNumber, BirthIndex, CatalogRevision, Channel, ConnectorId, ContentId,
    ContentVersion, CustomerId, CustomerKey, DefinitionVersion, EnrollmentId, EventId, EventName,
    Fingerprint, InstanceNumber, JourneyId, Lsn, QueueId, Sequence, SessionId, SourceName, StepId,
    TimeSpan, Timestamp, WorkspaceId,
};

use crate::wire::field::Plain;
use crate::wire::message::message;
use crate::wire::{Fault, Wire, Writer};

macro_rules! counts {
    ($($number:ty),* $(,)?) => {$(
        impl Plain for $number {
            fn put(&self, number: u32, out: &mut Writer<'_>) {
                self.get().put(number, out);
            }

            fn take(wire: Wire<'_>) -> Result<Self, Fault> {
                Plain::take(wire).map(Self::new)
            }

            fn implied() -> Option<Self> {
                Some(Self::new(0))
            }

            fn is_implied(&self) -> bool {
                self.get() == 0
            }
        }
    )*};
}
counts!(
    BatchNumber,
    BirthIndex,
    CatalogRevision,
    ContentVersion,
    DefinitionVersion,
    InstanceNumber,
    Lsn,
    Sequence,
    SessionId,
);

/// A hash: a varint of it would take ten bytes.
impl Plain for AggregateId {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.fixed64(number, self.get());
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        wire.fixed64().map(Self::new)
    }

    fn implied() -> Option<Self> {
        Some(Self::new(0))
    }

    fn is_implied(&self) -> bool {
        self.get() == 0
    }
}

macro_rules! texts {
    ($($id:ty),* $(,)?) => {$(
        impl Plain for $id {
            fn put(&self, number: u32, out: &mut Writer<'_>) {
                out.length_led(number, self.as_str().as_bytes());
            }

            fn take(wire: Wire<'_>) -> Result<Self, Fault> {
                Self::new(wire.text()?).map_err(|invalid| Fault::new(invalid.to_string()))
            }
        }
    )*};
}
texts!(
    Channel,
    ConnectorId,
    ContentId,
    CustomerId,
    EnrollmentId,
    EventId,
    EventName,
    JourneyId,
    QueueId,
    StepId,
);

macro_rules! texts_with_default {
    ($($id:ty),* $(,)?) => {$(
        /// Left out where it is `default`, as in the public API.
        impl Plain for $id {
            fn put(&self, number: u32, out: &mut Writer<'_>) {
                out.length_led(number, self.as_str().as_bytes());
            }

            fn take(wire: Wire<'_>) -> Result<Self, Fault> {
                Self::new(wire.text()?).map_err(|invalid| Fault::new(invalid.to_string()))
            }

            fn implied() -> Option<Self> {
                Self::new(DEFAULT).ok()
            }

            fn is_implied(&self) -> bool {
                self.as_str() == DEFAULT
            }
        }
    )*};
}
/// The workspace and the source of those who name none.
const DEFAULT: &str = "default";
texts_with_default!(SourceName, WorkspaceId);

impl Plain for Timestamp {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.varint(number, self.unix_ms().unsigned_abs());
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        let unix_ms = wire.varint()?;
        i64::try_from(unix_ms)
            .ok()
            .filter(|unix_ms| *unix_ms <= Self::MAX.unix_ms())
            .map(Self::from_unix_ms)
            .ok_or_else(|| Fault::new(format!("{unix_ms} ms lies after the year 9999")))
    }

    fn implied() -> Option<Self> {
        Some(Self::EPOCH)
    }

    fn is_implied(&self) -> bool {
        *self == Self::EPOCH
    }
}

impl Plain for TimeSpan {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        self.ms().put(number, out);
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        i64::take(wire).map(Self::from_ms)
    }

    fn implied() -> Option<Self> {
        Some(Self::ZERO)
    }

    fn is_implied(&self) -> bool {
        *self == Self::ZERO
    }
}

impl Plain for Fingerprint {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        self.bytes().put(number, out);
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        Plain::take(wire).map(Self::from_bytes)
    }
}

message! {
    CustomerKey as "CustomerKey" {
        1 => workspace,
        2 => customer,
    }
}
