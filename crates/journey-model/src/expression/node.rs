//! The compiled form of an expression: what the parser read, with names resolved and operators of our own.
//!
//! The crate's own interpreter is not used at run time: it boxes every value, has no bound on its work, and refuses
//! arithmetic that mixes whole numbers and doubles. The tests hold this form against it where both should agree.

use journey_types::{AggregateId, JourneyId, TimeSpan, Value};
use regex::Regex;

/// One operation.
#[derive(Debug)]
pub(crate) enum Node {
    /// A value as written.
    Literal(Value),
    /// An instant as written, in milliseconds since 1970 (also before it).
    Time(i64),
    /// A span as written, in milliseconds.
    Span(i64),
    /// A named place of the scope.
    Place(Place),
    /// `a.b`, `a.?b` or `has(a.b)`.
    Select {
        operand: Box<Self>,
        field: Box<str>,
        mode: SelectMode,
    },
    /// `event.?channel` and `has(event.channel)`: a place that may be absent.
    PlaceIfAny { place: Place, mode: SelectMode },
    /// `a[b]` and `a[?b]`.
    Index {
        operands: Box<[Self; 2]>,
        is_optional: bool,
    },
    /// `a && b` (absorbing value `false`), `a || b` (absorbing value `true`).
    Logic {
        absorbing: bool,
        operands: Box<[Self; 2]>,
    },
    /// `!a`.
    Not(Box<Self>),
    /// `-a`.
    Negate(Box<Self>),
    /// `a ? b : c`.
    Conditional(Box<[Self; 3]>),
    /// `a + b` and its like.
    Arithmetic {
        operator: Operator,
        operands: Box<[Self; 2]>,
    },
    /// `a < b` and its like.
    Compare {
        comparison: Comparison,
        operands: Box<[Self; 2]>,
    },
    /// `a == b`, `a != b`.
    Equal {
        is_negated: bool,
        operands: Box<[Self; 2]>,
    },
    /// `a in b`.
    In(Box<[Self; 2]>),
    /// `[a, b]` with something to compute in it.
    List(Vec<Self>),
    /// `{'a': b}`.
    Map(Vec<(Self, Self)>),
    /// The variable of an enclosing comprehension, by its depth.
    Variable(usize),
    /// `all`, `exists`, `exists_one`, `map`, `filter`.
    Each(Box<Each>),
    /// A function; the receiver of a method is its first argument.
    Call {
        function: Function,
        arguments: Vec<Self>,
    },
    /// `matches` with its compiled pattern.
    Matches { text: Box<Self>, pattern: Regex },
    /// `history.…`.
    History(HistoryRead),
    /// `journeys.…`.
    Journeys {
        read: JourneysRead,
        journey: JourneyId,
    },
}

/// What becomes of a field that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelectMode {
    /// An error.
    Must,
    /// An empty optional.
    Optional,
    /// `false`, and `true` where it is there.
    Test,
}

/// A place of the scope with a fixed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Event(EventField),
    Entry(EventField),
    Input,
    InstanceKey,
    InstanceStep,
    InstanceEnteredAt,
    Vars,
    CustomerId,
    CustomerTraits,
    CustomerLocale,
    CustomerZone,
    CustomerLifecycle,
    Now,
    LocalHour,
    LocalMinute,
    LocalWeekday,
    LocalDate,
}

/// A field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventField {
    Name,
    Id,
    Source,
    CustomerId,
    OccurredAt,
    Channel,
    Device,
    Properties,
}

/// A comprehension.
#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) kind: EachKind,
    /// What is walked: a list, or the keys of a map.
    pub(crate) range: Node,
    /// Which variable holds the item.
    pub(crate) variable: usize,
    /// The condition; `None` for `map` without filter.
    pub(crate) condition: Option<Node>,
    /// What `map` collects; `None` collects the item itself.
    pub(crate) mapped: Option<Node>,
}

/// What a comprehension is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EachKind {
    All,
    Exists,
    ExistsOne,
    Collect,
}

/// Arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// Ordering comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Functions without an operator of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Int,
    Double,
    Text,
    Bool,
    Timestamp,
    Span,
    OptionalOf,
    OptionalNone,
    HasValue,
    Value,
    Or,
    OrValue,
    TimePart(TimePart),
}

/// Parts of an instant or a span, as CEL counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimePart {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// One `history` call.
#[derive(Debug)]
pub(crate) struct HistoryRead {
    pub(crate) kind: HistoryKind,
    pub(crate) aggregate: AggregateId,
    pub(crate) window: Option<TimeSpan>,
}

/// What a `history` call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistoryKind {
    Count,
    Absent,
    First,
    Last,
    Sum,
}

/// What a `journeys` call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JourneysRead {
    Active,
    State,
    Outcome,
}

impl EventField {
    pub(crate) const ALL: [Self; 8] = [
        Self::Name,
        Self::Id,
        Self::Source,
        Self::CustomerId,
        Self::OccurredAt,
        Self::Channel,
        Self::Device,
        Self::Properties,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Id => "id",
            Self::Source => "source",
            Self::CustomerId => "customer_id",
            Self::OccurredAt => "occurred_at",
            Self::Channel => "channel",
            Self::Device => "device",
            Self::Properties => "properties",
        }
    }
}

impl Place {
    /// Whether what it holds is a map.
    pub(crate) const fn has_fields(self) -> bool {
        matches!(
            self,
            Self::Event(EventField::Properties)
                | Self::Entry(EventField::Properties)
                | Self::Input
                | Self::Vars
                | Self::CustomerTraits
        )
    }

    /// The path as it is written.
    pub(crate) fn path(self) -> String {
        let fixed = match self {
            Self::Event(field) => return format!("event.{}", field.name()),
            Self::Entry(field) => return format!("entry.{}", field.name()),
            Self::Input => "input",
            Self::InstanceKey => "instance.key",
            Self::InstanceStep => "instance.step",
            Self::InstanceEnteredAt => "instance.entered_at",
            Self::Vars => "vars",
            Self::CustomerId => "customer.id",
            Self::CustomerTraits => "customer.traits",
            Self::CustomerLocale => "customer.locale",
            Self::CustomerZone => "customer.zone",
            Self::CustomerLifecycle => "customer.lifecycle",
            Self::Now => "now",
            Self::LocalHour => "local.hour",
            Self::LocalMinute => "local.minute",
            Self::LocalWeekday => "local.weekday",
            Self::LocalDate => "local.date",
        };
        fixed.to_owned()
    }
}

impl Node {
    /// The path as it is written, for messages; other operations are "the value".
    pub(crate) fn path(&self) -> String {
        if let Self::Place(place) | Self::PlaceIfAny { place, .. } = self {
            format!("`{}`", place.path())
        } else if let Self::Select { operand, field, .. } = self {
            let operand = operand.path();
            match operand.strip_suffix('`') {
                Some(start) => format!("{start}.{field}`"),
                None => operand,
            }
        } else if let Self::Variable(_) = self {
            "the item".to_owned()
        } else {
            "the value".to_owned()
        }
    }
}
