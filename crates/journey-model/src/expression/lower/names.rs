//! Names and fields: what the first word of a path means here, and which fields it has.

use cel::common::ast::{Expr, IdedExpr};
use journey_types::Value;

use super::Lowering;
use crate::expression::node::{EventField, Node, Place, SelectMode};
use crate::expression::parse::quoted;
use crate::expression::problem::{nearest, one_of};
use crate::expression::site::Root;

/// Names of JOURNEYS section 5 that a later version delivers.
const LATER_ROOTS: [&str; 5] = ["context", "emotion", "struggle", "intent", "prediction"];
/// Fields of `customer` that a later version delivers.
const LATER_CUSTOMER_FIELDS: [&str; 3] = ["segments", "interests", "consent"];
const CUSTOMER_FIELDS: [&str; 5] = ["id", "traits", "locale", "zone", "lifecycle"];
const INSTANCE_FIELDS: [&str; 3] = ["key", "step", "entered_at"];
const LOCAL_FIELDS: [&str; 4] = ["hour", "minute", "weekday", "date"];

impl Lowering<'_> {
    /// A name that stands alone: a variable of a comprehension, `now`, `vars`, or a mistake.
    pub(super) fn bare_name(&mut self, id: u64, name: &str) -> Option<Node> {
        if let Some(variable) = self.variable(name) {
            return Some(Node::Variable(variable));
        }
        let range = self.parsed.range(id);
        let Some(root) = Root::of(name) else {
            return self.unknown_name(id, name, true);
        };
        if let Some(reason) = self.site.refusal(root) {
            return self.refuse(range, format!("`{name}` cannot be used here: {reason}"));
        }
        match root {
            Root::Now => Some(Node::Place(Place::Now)),
            Root::Vars => Some(Node::Place(Place::Vars)),
            Root::Input => Some(Node::Place(Place::Input)),
            Root::History => self.refuse(
                range,
                "`history` is no value: call `history.count('name')`, `absent`, `first`, `last` or `sum`",
            ),
            Root::Journeys => self.refuse(
                range,
                "`journeys` is no value: call `journeys.active('id')`, `state` or `outcome`",
            ),
            Root::Event | Root::Entry | Root::Instance | Root::Customer | Root::Local => {
                let fields = one_of(fields_of(root));
                self.refuse(range, format!("`{name}` is no value by itself: name a field, {fields}"))
            }
        }
    }

    /// `a.b`, `a.?b`, `has(a.b)`.
    pub(super) fn select(
        &mut self,
        operand: &IdedExpr,
        field: &str,
        mode: SelectMode,
        id: u64,
    ) -> Option<Node> {
        if let Expr::Ident(name) = &operand.expr
            && self.variable(name).is_none()
        {
            match Root::of(name) {
                // `vars` and `input` are values; the others are only prefixes of places.
                Some(Root::Vars | Root::Input) => {}
                Some(Root::Now) if self.site.refusal(Root::Now).is_none() => {
                    let range = self.parsed.field_range(id, field);
                    return self.refuse(
                        range,
                        "`now` is a time and has no fields: call `now.getHours()`, or use `local.hour`",
                    );
                }
                Some(root) => return self.field_of_root(root, operand.id, field, (mode, id)),
                None => return self.unknown_name(operand.id, name, false),
            }
        }
        let operand = self.lower(operand)?;
        if let Node::Place(place) = &operand
            && !place.has_fields()
        {
            let range = self.parsed.field_range(id, field);
            return self.refuse(range, format!("`{}` has no fields", place.path()));
        }
        self.check_declared(&operand, field, id);
        Some(Node::Select {
            operand: Box::new(operand),
            field: Box::from(field),
            mode,
        })
    }

    fn field_of_root(
        &mut self,
        root: Root,
        root_id: u64,
        field: &str,
        (mode, id): (SelectMode, u64),
    ) -> Option<Node> {
        let name = root.name();
        if let Some(reason) = self.site.refusal(root) {
            let range = self.parsed.range(root_id);
            return self.refuse(range, format!("`{name}` cannot be used here: {reason}"));
        }
        let field_range = self.parsed.field_range(id, field);
        if root == Root::Customer && LATER_CUSTOMER_FIELDS.contains(&field) {
            return self.refuse(
                field_range,
                format!("`customer.{field}` is not available yet"),
            );
        }
        if let Some(place) = place_of(root, field) {
            return Some(match mode {
                SelectMode::Must => Node::Place(place),
                SelectMode::Optional | SelectMode::Test => Node::PlaceIfAny { place, mode },
            });
        }
        if matches!(root, Root::History | Root::Journeys) {
            return self.refuse(
                field_range,
                format!("`{name}.{field}` is a function: call it, such as `{name}.{field}('…')`"),
            );
        }
        let suggestion = nearest(field, fields_of(root)).map(str::to_owned);
        let suggestion = suggestion.or_else(|| self.place_for_stray_field(root, field));
        let fields = one_of(fields_of(root));
        self.report(
            field_range,
            format!("`{name}` has no field `{field}`: it has {fields}"),
            suggestion,
        );
        None
    }

    /// `event.value` is meant as `event.properties.value`, `customer.first_name` as `customer.traits.first_name`.
    fn place_for_stray_field(&self, root: Root, field: &str) -> Option<String> {
        match root {
            Root::Event | Root::Entry => Some(format!("properties.{field}")),
            Root::Customer => Some(format!("traits.{field}")),
            Root::Instance
            | Root::Input
            | Root::Vars
            | Root::History
            | Root::Journeys
            | Root::Now
            | Root::Local => None,
        }
    }

    /// Declared objects refuse unknown fields.
    fn check_declared(&mut self, operand: &Node, field: &str, id: u64) {
        let (declared, what) = match operand {
            Node::Place(Place::Event(EventField::Properties)) => {
                (self.site.properties_of(false), "this event")
            }
            Node::Place(Place::Entry(EventField::Properties)) => {
                (self.site.properties_of(true), "the entering event")
            }
            Node::Place(Place::CustomerTraits) => (self.site.traits, "a customer"),
            _ => (None, ""),
        };
        let Some(declared) = declared else { return };
        if declared.contains(field) {
            return;
        }
        let suggestion = nearest(field, declared.iter().map(String::as_str)).map(str::to_owned);
        self.report(
            self.parsed.field_range(id, field),
            format!("the schema declares no `{field}` for {what}"),
            suggestion,
        );
    }

    fn unknown_name(&mut self, id: u64, name: &str, stands_alone: bool) -> Option<Node> {
        let range = self.parsed.range(id);
        if let Some(name) = name.strip_prefix('.') {
            return self.refuse(range, format!("write `{name}` without the leading dot"));
        }
        if LATER_ROOTS.contains(&name) {
            return self.refuse(range, format!("`{name}` is not available yet"));
        }
        let roots: Vec<&str> = self.site.roots().map(Root::name).collect();
        let known = roots.iter().copied();
        let near = nearest(
            name,
            known
                .clone()
                .chain(self.variables.iter().map(String::as_str)),
        );
        let declares = |names: Option<&std::collections::BTreeSet<String>>| {
            names.is_some_and(|names| names.contains(name))
        };
        let suggestion = if let Some(near) = near {
            Some(near.to_owned())
        } else if declares(self.site.event_properties) {
            Some(format!("event.properties.{name}"))
        } else if declares(self.site.traits) {
            Some(format!("customer.traits.{name}"))
        } else if stands_alone {
            Some(quoted(name))
        } else {
            None
        };
        let hint = if near.is_none() && stands_alone {
            "; literal text is quoted"
        } else {
            ""
        };
        let message = format!("unknown name `{name}`: here are {}{hint}", one_of(known));
        self.report(range, message, suggestion);
        None
    }

    /// The number of an enclosing comprehension's variable; the innermost of equal names counts.
    fn variable(&self, name: &str) -> Option<usize> {
        self.variables.iter().rposition(|variable| variable == name)
    }

    /// A text literal, for arguments that must be known at publish.
    pub(super) fn literal_text<'e>(&self, expr: &'e IdedExpr) -> Option<&'e str> {
        if let Expr::Literal(cel::common::ast::LiteralValue::String(text)) = &expr.expr {
            Some(text.inner())
        } else {
            None
        }
    }
}

/// The text of a literal node.
pub(super) fn node_text(node: &Node) -> Option<&str> {
    if let Node::Literal(Value::Text(text)) = node {
        Some(text)
    } else {
        None
    }
}

fn fields_of(root: Root) -> Vec<&'static str> {
    match root {
        Root::Event | Root::Entry => EventField::ALL.map(EventField::name).to_vec(),
        Root::Instance => INSTANCE_FIELDS.to_vec(),
        Root::Customer => CUSTOMER_FIELDS.to_vec(),
        Root::Local => LOCAL_FIELDS.to_vec(),
        Root::Vars | Root::Input | Root::History | Root::Journeys | Root::Now => Vec::new(),
    }
}

fn place_of(root: Root, field: &str) -> Option<Place> {
    let event_field = || {
        EventField::ALL
            .into_iter()
            .find(|known| known.name() == field)
    };
    match (root, field) {
        (Root::Event, _) => event_field().map(Place::Event),
        (Root::Entry, _) => event_field().map(Place::Entry),
        (Root::Instance, "key") => Some(Place::InstanceKey),
        (Root::Instance, "step") => Some(Place::InstanceStep),
        (Root::Instance, "entered_at") => Some(Place::InstanceEnteredAt),
        (Root::Customer, "id") => Some(Place::CustomerId),
        (Root::Customer, "traits") => Some(Place::CustomerTraits),
        (Root::Customer, "locale") => Some(Place::CustomerLocale),
        (Root::Customer, "zone") => Some(Place::CustomerZone),
        (Root::Customer, "lifecycle") => Some(Place::CustomerLifecycle),
        (Root::Local, "hour") => Some(Place::LocalHour),
        (Root::Local, "minute") => Some(Place::LocalMinute),
        (Root::Local, "weekday") => Some(Place::LocalWeekday),
        (Root::Local, "date") => Some(Place::LocalDate),
        _ => None,
    }
}
