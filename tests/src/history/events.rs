//! The events of the load: which one it is follows from customer and serial alone, so that any can be sent again.

use std::fmt;

use journey_client::wire;
use journey_types::Value;

/// `started` enters a run, which sends one message at once and one after its timer; `asked` enters one that sends one
/// message, when it is `answered` or when its timer fires. Runs are called as their event is.
pub const JOURNEYS: &str = "\
journey: twice
entry: [ { event: started } ]
key: event.id
steps:
  now: { message: { content: first, channels: [push] }, next: rest }
  rest: { delay: 2s, next: later }
  later: { message: { content: second, channels: [push] }, next: end }
---
journey: question
entry: [ { event: asked } ]
key: event.properties.question
steps:
  wait:
    wait_until:
      - { event: answered, match_key: true, next: thank }
      - { after: 2s, next: remind }
  thank: { message: { content: thanks, channels: [push] } }
  remind: { message: { content: thanks, channels: [push] } }
---
content: thanks
variants: [ { channel: push, body: '{{ instance.key }}' } ]
---
content: first
variants: [ { channel: push, body: '{{ instance.key }}' } ]
---
content: second
variants: [ { channel: push, body: '{{ instance.key }}' } ]
";

/// An event of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nth {
    /// The customer, from 0.
    pub customer: u32,
    /// Which of the customer's events, from 0.
    pub serial: u32,
}

impl fmt::Display for Nth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.customer, self.serial)
    }
}

impl Nth {
    /// The event behind a run.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        let (customer, serial) = key.split_once('-')?;
        Some(Self {
            customer: customer.parse().ok()?,
            serial: serial.parse().ok()?,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self.serial % 5 {
            0 | 1 => "started",
            2 => "asked",
            // Every other customer leaves questions to their timer.
            3 if self.customer.is_multiple_of(2) => "answered",
            _ => "seen",
        }
    }

    pub(super) fn event(self) -> wire::CustomerEvent {
        let mut event = wire::CustomerEvent {
            customer_id: format!("c{}", self.customer),
            id: self.to_string(),
            name: self.name().to_owned(),
            ..Default::default()
        };
        let question = match self.name() {
            "asked" => Some(self),
            "answered" => Some(Self {
                serial: self.serial - 1,
                ..self
            }),
            _ => None,
        };
        if let Some(question) = question {
            let question = Value::Text(question.to_string());
            let properties = [("question".to_owned(), question)].into_iter().collect();
            event.properties = Some(journey_client::struct_from_map(&properties));
        }
        event
    }
}
