//! Customer events: inside facts and rows of a customer they leave out the customer's key, inside a turn each lies
//! once and facts refer to it by position.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use journey_types::{CustomerEvent, CustomerKey, EventId, EventName, SourceName, Timestamp, Value};

use crate::error::CodecError;
use crate::stored;
use crate::wire::field::{Field, Plain, present};
use crate::wire::message::Message;
use crate::wire::{Fault, Fields, Wire, Writer};

/// An event with its customer, for whoever must lay events aside for a while.
#[must_use]
pub fn encode_event(event: &CustomerEvent) -> Bytes {
    stored::encode(None, |out| event.write_fields(out))
}

/// Reads what [`encode_event`] wrote.
///
/// # Errors
/// [`CodecError`] naming what does not decode.
pub fn decode_event(bytes: &[u8]) -> Result<CustomerEvent, CodecError> {
    CustomerEvent::read_fields(stored::fields(bytes, CustomerEvent::NAME, None)?)
}

impl Message for CustomerEvent {
    const NAME: &'static str = "CustomerEvent";

    fn write_fields(&self, out: &mut Writer<'_>) {
        let Self {
            customer,
            source,
            id,
            name,
            occurred_at,
            channel,
            device,
            properties,
        } = self;
        source.write(1, out);
        id.write(2, out);
        name.write(3, out);
        occurred_at.write(4, out);
        channel.write(5, out);
        device.write(6, out);
        properties.write(7, out);
        if out.customer != Some(customer) {
            customer.put(8, out);
        }
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let mut source: Option<SourceName> = None;
        let mut id: Option<EventId> = None;
        let mut name: Option<EventName> = None;
        let mut occurred_at: Option<Timestamp> = None;
        let mut channel: Option<Option<String>> = None;
        let mut device: Option<Option<String>> = None;
        let mut properties: Option<BTreeMap<String, Value>> = None;
        let mut customer: Option<CustomerKey> = fields.context().customer.cloned();
        while let Some((number, wire)) = fields.next(Self::NAME)? {
            match number {
                1 => Field::read(&mut source, wire),
                2 => Field::read(&mut id, wire),
                3 => Field::read(&mut name, wire),
                4 => Field::read(&mut occurred_at, wire),
                5 => Field::read(&mut channel, wire),
                6 => Field::read(&mut device, wire),
                7 => Field::read(&mut properties, wire),
                8 => Field::read(&mut customer, wire),
                field => {
                    let message = Self::NAME;
                    return Err(CodecError::UnknownField { message, field });
                }
            }
            .map_err(|fault| fault.at(Self::NAME, number))?;
        }
        Ok(Self {
            customer: present(customer, Self::NAME, 8)?,
            source: present(source, Self::NAME, 1)?,
            id: present(id, Self::NAME, 2)?,
            name: present(name, Self::NAME, 3)?,
            occurred_at: present(occurred_at, Self::NAME, 4)?,
            channel: present(channel, Self::NAME, 5)?,
            device: present(device, Self::NAME, 6)?,
            properties: present(properties, Self::NAME, 7)?,
        })
    }
}

/// Inside a turn: the position in the turn's table. Elsewhere: the event itself.
impl Plain for Arc<CustomerEvent> {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        let Some(shared) = &mut out.shared_events else {
            return CustomerEvent::put(self, number, out);
        };
        // Mostly the newest is meant, and mostly it is the same allocation.
        let known = shared.iter().rposition(|event| {
            Self::ptr_eq(event, self) || (event.id == self.id && **event == **self)
        });
        let position = known.unwrap_or_else(|| {
            shared.push(Self::clone(self));
            shared.len() - 1
        });
        out.varint(number, position as u64);
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        let Some(shared) = wire.context.shared_events else {
            return CustomerEvent::take(wire).map(Self::new);
        };
        let position = wire.varint()?;
        usize::try_from(position)
            .ok()
            .and_then(|position| shared.get(position))
            .cloned()
            .ok_or_else(|| {
                Fault::new(format!(
                    "event {position} of a turn that has {}",
                    shared.len()
                ))
            })
    }
}
