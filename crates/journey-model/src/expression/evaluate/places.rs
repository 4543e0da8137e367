//! Named places of the scope.

use std::collections::BTreeMap;

use journey_types::{CustomerEvent, Value};

use super::{Evaluation, Outcome};
use crate::expression::EvaluationError;
use crate::expression::node::{EventField, Place, SelectMode};
use crate::expression::operand::{Operand, fault};
use crate::scope::InstanceScope;

/// The input of whoever entered by an event: a map, so that `has(input.x)` is false.
static NO_INPUT: BTreeMap<String, Value> = BTreeMap::new();

impl<'a> Evaluation<'a> {
    pub(super) fn place(&self, place: Place) -> Outcome<'a> {
        match self.lookup(place)? {
            Some(value) => Ok(value),
            None => Err(fault(format!("no `{}`", place.path()))),
        }
    }

    pub(super) fn place_if_any(&self, place: Place, mode: SelectMode) -> Outcome<'a> {
        let found = self.lookup(place)?;
        Ok(if mode == SelectMode::Test {
            Operand::Bool(found.is_some())
        } else {
            found.map_or(Operand::Optional(None), Operand::some)
        })
    }

    /// What a place holds; `None` where it is legally empty.
    fn lookup(&self, place: Place) -> Result<Option<Operand<'a>>, EvaluationError> {
        let customer = self.scope.customer;
        let value = match place {
            // A journey may be entered both by events and by enroll calls: each way lacks what the other brings.
            Place::Event(field) => {
                let event = self.scope.event;
                return Ok(event.and_then(|event| event_field(event, field)));
            }
            Place::Entry(field) => {
                let entry = self.scope.entry;
                return Ok(entry.and_then(|entry| event_field(entry, field)));
            }
            Place::Input => Operand::Map(self.scope.input.unwrap_or(&NO_INPUT)),
            Place::InstanceKey => return Ok(self.instance(place)?.key.map(Operand::Text)),
            Place::InstanceStep => Operand::Text(self.instance(place)?.step.as_str()),
            Place::InstanceEnteredAt => Operand::Time(self.instance(place)?.entered_at.unix_ms()),
            Place::Vars => Operand::Map(self.scope.vars.ok_or_else(|| absent(place))?),
            Place::CustomerId => Operand::Text(customer.id.as_str()),
            Place::CustomerTraits => Operand::Map(customer.traits),
            Place::CustomerLocale => {
                let locale = customer.traits.get("locale").and_then(Value::as_text);
                return Ok(locale.map(Operand::Text));
            }
            Place::CustomerZone => Operand::Text(customer.zone),
            Place::CustomerLifecycle => return Ok(customer.lifecycle.map(Operand::Text)),
            Place::Now => Operand::Time(self.scope.now.unix_ms()),
            Place::LocalHour => Operand::Int(self.local()?.hour().into()),
            Place::LocalMinute => Operand::Int(self.local()?.minute().into()),
            Place::LocalWeekday => {
                Operand::Int(self.local()?.weekday().to_monday_one_offset().into())
            }
            Place::LocalDate => Operand::made_text(self.local()?.date().to_string()),
        };
        Ok(Some(value))
    }

    fn instance(&self, place: Place) -> Result<InstanceScope<'a>, EvaluationError> {
        self.scope.instance.ok_or_else(|| absent(place))
    }

    /// The turn's stamp on the customer's clock.
    fn local(&self) -> Result<jiff::Zoned, EvaluationError> {
        zoned(self.scope.now.unix_ms(), self.scope.customer.zone)
    }
}

/// An instant on the clock of a zone.
pub(crate) fn zoned(unix_ms: i64, zone: &str) -> Result<jiff::Zoned, EvaluationError> {
    let instant = jiff::Timestamp::from_millisecond(unix_ms)
        .map_err(|_| fault("the time lies outside the years 1 to 9999"))?;
    let zone = jiff::tz::TimeZone::get(zone)
        .map_err(|_| fault(format!("`{zone}` is no IANA time zone")))?;
    Ok(instant.to_zoned(zone))
}

/// Publish lets a place be named only where it exists, so this is a scope that was filled too little.
fn absent(place: Place) -> EvaluationError {
    fault(format!("`{}` is not known here", place.path()))
}

fn event_field(event: &CustomerEvent, field: EventField) -> Option<Operand<'_>> {
    match field {
        EventField::Name => Some(Operand::Text(event.name.as_str())),
        EventField::Id => Some(Operand::Text(event.id.as_str())),
        EventField::Source => Some(Operand::Text(event.source.as_str())),
        EventField::CustomerId => Some(Operand::Text(event.customer.customer.as_str())),
        EventField::OccurredAt => Some(Operand::Time(event.occurred_at.unix_ms())),
        EventField::Channel => event.channel.as_deref().map(Operand::Text),
        EventField::Device => event.device.as_deref().map(Operand::Text),
        EventField::Properties => Some(Operand::Map(&event.properties)),
    }
}
