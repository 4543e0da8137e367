//! Where an expression stands: which names it may use there, and what is known about them.

use std::collections::BTreeSet;

use journey_types::JourneyId;

/// Where an expression stands in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// `where` of an entry: the event and the customer, before there is an instance.
    EntryWhere,
    /// `where` of an entry by `api`: the input of the call and the customer, before there is an instance.
    EnrollWhere,
    /// The journey's `key`: the event, or the input of an enroll call, alone.
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

/// The ways into a journey: what its instances can look back on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrances {
    /// By an event: `entry` is that event.
    pub event: bool,
    /// By an enroll call: `input` is what it brought.
    pub api: bool,
}

impl Entrances {
    /// Both.
    pub const ANY: Self = Self {
        event: true,
        api: true,
    };
}

/// Where an expression stands and what is known there.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Where it stands.
    pub position: Position,
    /// The ways into the journey.
    pub entrances: Entrances,
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
    Input,
    Instance,
    Vars,
    Customer,
    History,
    Journeys,
    Now,
    Local,
}

impl Root {
    pub(crate) const ALL: [Self; 10] = [
        Self::Event,
        Self::Entry,
        Self::Input,
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
            Self::Input => "input",
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
            entrances: Entrances::ANY,
            journeys: None,
            event_properties: None,
            entry_properties: None,
            traits: None,
        }
    }

    /// The names that may be used here.
    pub(crate) fn roots(&self) -> impl Iterator<Item = Root> {
        Root::ALL
            .into_iter()
            .filter(|root| self.refusal(*root).is_none())
    }

    /// Why a name may not be used here; `None` when it may.
    pub(crate) fn refusal(&self, root: Root) -> Option<&'static str> {
        let Entrances { event, api } = self.entrances;
        match (self.position, root) {
            (Position::Key, _) => refusal_in_key(self.entrances, root),
            (Position::EntryWhere, Root::Input) => {
                Some("an event brings no `input`: what it carries is `event.properties`")
            }
            (Position::EnrollWhere, Root::Event | Root::Entry) => {
                Some("an enroll call brings no event: what it carries is `input`")
            }
            (Position::MatchKey | Position::HistoryFilter | Position::EnrollWhere, _) => {
                refusal(self.position, root)
            }
            (_, Root::Input) if !api => {
                Some("only an enroll call brings it, and this journey has no entry `api: enroll`")
            }
            (_, Root::Entry) if !event => {
                Some("this journey is entered by enroll calls alone: what they brought is `input`")
            }
            (position, root) => refusal(position, root),
        }
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

const fn refusal_in_key(entrances: Entrances, root: Root) -> Option<&'static str> {
    match (root, entrances.event, entrances.api) {
        (Root::Event, true, _) | (Root::Input, _, true) => None,
        (_, _, false) => Some("the `key` of a journey sees `event` alone"),
        (_, false, true) => {
            Some("the `key` of a journey entered by enroll calls sees `input` alone")
        }
        (_, true, true) => Some("the `key` of a journey sees `event` and `input` alone"),
    }
}

const fn refusal(position: Position, root: Root) -> Option<&'static str> {
    match (position, root) {
        (Position::EventWhere | Position::Key, _)
        | (Position::EntryWhere | Position::MatchKey | Position::HistoryFilter, Root::Event) => {
            None
        }
        (Position::MatchKey, _) => {
            Some("`match_key` is compared with the instance's key and sees `event` alone")
        }
        (Position::HistoryFilter, _) => Some("the filter of a `history` call sees `event` alone"),
        (Position::EntryWhere, Root::Entry) => {
            Some("before the entry the event at hand is named `event`")
        }
        (Position::EntryWhere | Position::EnrollWhere, Root::Instance | Root::Vars) => {
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
            | Position::EnrollWhere
            | Position::WaitWhen
            | Position::ExitWhen
            | Position::Instant
            | Position::Step,
            _,
        ) => None,
    }
}
