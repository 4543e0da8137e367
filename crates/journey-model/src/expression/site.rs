//! Where an expression stands: which names it may use there, and what is known about them.

use std::collections::BTreeSet;

use journey_types::JourneyId;

/// Where an expression stands in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// `where` of an entry: the event and the customer, before there is an instance.
    EntryWhere,
    /// The journey's `key`: the event alone.
    Key,
    /// `match_key` with an expression of its own: the incoming event alone.
    MatchKey,
    /// `where` of a wait branch, a goal or an exit by event: everything.
    EventWhere,
    /// `when` of an exit: watched, so without event and clock.
    ExitWhen,
    /// `when` of a wait branch: watched, so without event and clock.
    WaitWhen,
    /// `at` of a wait branch, `until` of a delay: everything but the event.
    Instant,
    /// `only_if`, `when` of a split, values of `update` and `emit`: everything but the event.
    Step,
    /// The filter inside a `history` call: the event alone.
    HistoryFilter,
}

/// Where an expression stands and what is known there.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Where it stands.
    pub position: Position,
    /// Ids that `journeys.*` may name: published before or in the set at hand. `None`: not checked.
    pub journeys: Option<&'a BTreeSet<JourneyId>>,
    /// Properties that a schema declares for `event`. `None`: any.
    pub event_properties: Option<&'a BTreeSet<String>>,
    /// Properties that a schema declares for `entry`. `None`: any.
    pub entry_properties: Option<&'a BTreeSet<String>>,
    /// Traits that a schema declares. `None`: any.
    pub traits: Option<&'a BTreeSet<String>>,
}

/// The first word of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    Event,
    Entry,
    Instance,
    Vars,
    Customer,
    History,
    Journeys,
    Now,
    Local,
}

impl Root {
    pub(crate) const ALL: [Self; 9] = [
        Self::Event,
        Self::Entry,
        Self::Instance,
        Self::Vars,
        Self::Customer,
        Self::History,
        Self::Journeys,
        Self::Now,
        Self::Local,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Entry => "entry",
            Self::Instance => "instance",
            Self::Vars => "vars",
            Self::Customer => "customer",
            Self::History => "history",
            Self::Journeys => "journeys",
            Self::Now => "now",
            Self::Local => "local",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|root| root.name() == name)
    }
}

impl<'a> Site<'a> {
    /// A position of which nothing further is known: undeclared names pass.
    #[must_use]
    pub const fn at(position: Position) -> Self {
        Self {
            position,
            journeys: None,
            event_properties: None,
            entry_properties: None,
            traits: None,
        }
    }

    /// The names that may be used here.
    pub(crate) fn roots(&self) -> impl Iterator<Item = Root> + use<> {
        let position = self.position;
        Root::ALL
            .into_iter()
            .filter(move |root| refusal(position, *root).is_none())
    }

    /// Why a name may not be used here; `None` when it may.
    pub(crate) fn refusal(&self, root: Root) -> Option<&'static str> {
        refusal(self.position, root)
    }

    /// What a schema declares below `event.properties` or `entry.properties`.
    pub(crate) const fn properties_of(&self, is_entry: bool) -> Option<&'a BTreeSet<String>> {
        if is_entry {
            self.entry_properties
        } else {
            self.event_properties
        }
    }
}

const fn refusal(position: Position, root: Root) -> Option<&'static str> {
    match (position, root) {
        (Position::EventWhere, _)
        | (Position::EntryWhere | Position::Key | Position::MatchKey, Root::Event)
        | (Position::HistoryFilter, Root::Event) => None,
        (Position::Key, _) => Some("the `key` of a journey sees `event` alone"),
        (Position::MatchKey, _) => {
            Some("`match_key` is compared with the instance's key and sees `event` alone")
        }
        (Position::HistoryFilter, _) => Some("the filter of a `history` call sees `event` alone"),
        (Position::EntryWhere, Root::Entry) => {
            Some("before the entry the event at hand is named `event`")
        }
        (Position::EntryWhere, Root::Instance | Root::Vars) => {
            Some("there is no instance before the entry")
        }
        (Position::WaitWhen | Position::ExitWhen, Root::Event) => {
            Some("a `when` is about the customer: for an event use `event: …` with `where`")
        }
        (Position::WaitWhen, Root::Now | Root::Local) => {
            Some("a `when` is not woken by the clock: use `after` or `at`")
        }
        (Position::ExitWhen, Root::Now | Root::Local) => Some(
            "a `when` is not woken by the clock: use a goal with `within` or a wait with `after`",
        ),
        (Position::Instant | Position::Step, Root::Event) => Some(
            "there is no event at hand here: `entry` is the entering event, and `history.*` what came since",
        ),
        (
            Position::EntryWhere
            | Position::WaitWhen
            | Position::ExitWhen
            | Position::Instant
            | Position::Step,
            _,
        ) => None,
    }
}
