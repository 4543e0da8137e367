//! What can change the value of an expression, read off its nodes.

use std::collections::BTreeSet;

use journey_types::{AggregateId, JourneyId, Value};

use super::node::{Node, Place};

/// What can change the value of an expression, beside the event at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Names `event`.
    pub event: bool,
    /// Names `entry`.
    pub entry: bool,
    /// Names `input`.
    pub input: bool,
    /// Names `instance`.
    pub instance: bool,
    /// Names `vars`.
    pub vars: bool,
    /// Top-level trait names it reads; `*` when it reads them all (`customer.traits` as a whole).
    pub traits: BTreeSet<String>,
    /// Names `customer.lifecycle`.
    pub lifecycle: bool,
    /// History aggregates it reads.
    pub aggregates: BTreeSet<AggregateId>,
    /// Whether a `history` call with a window is among them, so that time alone can change the value.
    pub windowed: bool,
    /// Journeys whose state it reads.
    pub journeys: BTreeSet<JourneyId>,
    /// Names `now` or `local`.
    pub time: bool,
}

impl Dependencies {
    pub(crate) fn of(node: &Node) -> Self {
        let mut dependencies = Self::default();
        dependencies.read(node);
        dependencies
    }

    fn read(&mut self, node: &Node) {
        match node {
            Node::Literal(_) | Node::Time(_) | Node::Span(_) | Node::Variable(_) => {}
            Node::Place(place) | Node::PlaceIfAny { place, .. } => self.place(*place),
            Node::Select { operand, field, .. } => {
                if matches!(**operand, Node::Place(Place::CustomerTraits)) {
                    self.traits.insert(field.to_string());
                } else {
                    self.read(operand);
                }
            }
            Node::Index { operands, .. } => {
                if let [
                    Node::Place(Place::CustomerTraits),
                    Node::Literal(Value::Text(name)),
                ] = &**operands
                {
                    self.traits.insert(name.clone());
                } else {
                    self.read_all(&**operands);
                }
            }
            Node::In(operands) => {
                if let [
                    Node::Literal(Value::Text(name)),
                    Node::Place(Place::CustomerTraits),
                ] = &**operands
                {
                    self.traits.insert(name.clone());
                } else {
                    self.read_all(&**operands);
                }
            }
            Node::Logic { operands, .. }
            | Node::Arithmetic { operands, .. }
            | Node::Compare { operands, .. }
            | Node::Equal { operands, .. } => self.read_all(&**operands),
            Node::Not(operand) | Node::Negate(operand) | Node::Matches { text: operand, .. } => {
                self.read(operand);
            }
            Node::Conditional(parts) => self.read_all(&**parts),
            Node::List(items)
            | Node::Call {
                arguments: items, ..
            } => self.read_all(items),
            Node::Map(entries) => {
                for (key, value) in entries {
                    self.read(key);
                    self.read(value);
                }
            }
            Node::Each(each) => {
                self.read(&each.range);
                self.read_all(each.condition.iter().chain(&each.mapped));
            }
            Node::History(read) => {
                self.aggregates.insert(read.aggregate);
                self.windowed |= read.window.is_some();
            }
            Node::Journeys { journey, .. } => {
                self.journeys.insert(journey.clone());
            }
        }
    }

    fn read_all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) {
        for node in nodes {
            self.read(node);
        }
    }

    fn place(&mut self, place: Place) {
        match place {
            Place::Event(_) => self.event = true,
            Place::Entry(_) => self.entry = true,
            Place::InstanceKey | Place::InstanceStep | Place::InstanceEnteredAt => {
                self.instance = true;
            }
            Place::Input => self.input = true,
            Place::Vars => self.vars = true,
            // The id of a customer never changes.
            Place::CustomerId => {}
            Place::CustomerTraits => {
                self.traits.insert("*".to_owned());
            }
            Place::CustomerLocale => {
                self.traits.insert("locale".to_owned());
            }
            Place::CustomerZone => {
                self.traits.insert("zone".to_owned());
            }
            Place::CustomerLifecycle => self.lifecycle = true,
            Place::Now => self.time = true,
            // The customer's clock also changes with the customer's zone.
            Place::LocalHour | Place::LocalMinute | Place::LocalWeekday | Place::LocalDate => {
                self.time = true;
                self.traits.insert("zone".to_owned());
            }
        }
    }
}
