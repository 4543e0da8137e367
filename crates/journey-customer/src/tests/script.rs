//! Runs scripts over journeys in virtual time.
//!
//! A script is lines of: `09:00 event NAME key=value …` (also `history NAME …`), `again` (the last event once more),
//! `advance 2h`, `day 2026-03-28`, `claim [DESTINATION]` (`claim-next`: the one after the first), `ack`, `deliver`,
//! `done VALUE`, `fail`, `nack 5m`, `return`, `budget 3`, `full`, `poison NAME`, `park NAME`, `release`, `replay`, `discard`
//! (both of the oldest thing set aside). A time of day moves the clock there; timers that fall due on the way fire 1 ms after
//! their instant. After every command the laws are held against what was decided.

use std::fmt::Write as _;
use std::sync::Arc;

use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_types::{
    BirthIndex, CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey, EnrollmentId,
    EventId, EventName, JourneyId, Sequence, SourceName, TimeSpan, Timestamp, Value, WorkspaceId,
};

use crate::delivery::DeliverySettings;
use crate::event::JournalEvent;
use crate::{
    Command, CustomerState, DecideContext, Decision, Enrollment, IngestMode, Outcome, Rejection,
    Reply, SetAside, apply, decide, printer,
};

/// Runs a script and gives the journal it makes, one line a fact. The journal is the same when every event is delivered
/// twice, and when the customer is read back from its facts before every command.
pub(super) fn run(yaml: &str, script: &str) -> String {
    let journal = run_under(yaml, script, Trouble::None);
    let facts_of = |journal: &str| {
        let lines = journal.lines().filter(|line| !line.contains(" -- "));
        lines.collect::<Vec<_>>().join("\n")
    };
    for trouble in [Trouble::EveryEventTwice, Trouble::RestartBeforeEveryCommand] {
        let troubled = run_under(yaml, script, trouble);
        let (troubled, calm) = (facts_of(&troubled), facts_of(&journal));
        assert_eq!(troubled, calm, "{trouble:?} changes the journal");
    }
    journal
}

fn run_under(yaml: &str, script: &str, trouble: Trouble) -> String {
    let mut world = World::new(yaml);
    world.trouble = trouble;
    world.script(script);
    world.journal()
}

/// What happens around the commands of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    EveryEventTwice,
    RestartBeforeEveryCommand,
}

/// One customer in virtual time.
pub(super) struct World {
    catalog: Arc<Catalog>,
    documents: Vec<PublishedDocument>,
    pub(super) state: CustomerState,
    pub(super) facts: Vec<JournalEvent>,
    pub(super) now: Timestamp,
    lines: Vec<String>,
    last_taken_in: Option<Command>,
    last_claim: Option<(Sequence, u32)>,
    n_events: usize,
    trouble: Trouble,
    delivery: DeliverySettings,
    set_aside_has_room: bool,
}

impl World {
    /// A customer nobody heard of, on Monday 2026-01-05 at 09:00 UTC.
    pub(super) fn new(yaml: &str) -> Self {
        let mut world = Self::of("anna");
        world.publish(yaml);
        world
    }

    /// Another customer under the same journeys.
    pub(super) fn beside(&self, customer: &str) -> Self {
        let mut world = Self::of(customer);
        world.catalog = Arc::clone(&self.catalog);
        world
    }

    fn of(customer: &str) -> Self {
        let key = CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new(customer).unwrap(),
        };
        Self {
            catalog: Arc::default(),
            documents: Vec::new(),
            state: CustomerState::new(key),
            facts: Vec::new(),
            now: Timestamp::parse("2026-01-05T09:00:00Z").unwrap(),
            lines: Vec::new(),
            last_taken_in: None,
            last_claim: None,
            n_events: 0,
            trouble: Trouble::None,
            delivery: DeliverySettings::default(),
            set_aside_has_room: true,
        }
    }

    /// Publishes documents, as new versions where their ids are known.
    pub(super) fn publish(&mut self, yaml: &str) {
        let report = check(&[Source::new("test.yaml", yaml)], &self.catalog);
        assert!(report.is_publishable(), "{}", report.render());
        for document in report.documents {
            let is_earlier =
                |known: &&PublishedDocument| known.kind == document.kind && known.id == document.id;
            let version = self.documents.iter().filter(is_earlier).count() + 1;
            self.documents.push(PublishedDocument {
                kind: document.kind,
                id: document.id,
                version: u32::try_from(version).unwrap(),
                hash: document.hash,
                source_name: document.source_name,
                source: document.source,
            });
        }
        let revision = CatalogRevision::new(self.documents.len() as u64);
        self.catalog = Arc::new(Catalog::build(revision, &self.documents).unwrap());
    }

    pub(super) fn script(&mut self, script: &str) {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if first.contains(':') {
            let day = self.now.to_string()[..10].to_owned();
            self.go_to(Timestamp::parse(&format!("{day}T{first}:00Z")).unwrap());
            return self.line(rest);
        }
        match first {
            "event" => self.event(rest, IngestMode::Live),
            "history" => self.event(rest, IngestMode::History),
            "again" => {
                let again = self.last_taken_in.clone().unwrap();
                self.command(&again);
            }
            "enroll" => self.enroll(rest),
            "advance" => self.go_to(self.now.plus(TimeSpan::parse(rest).unwrap())),
            "day" => self.go_to(Timestamp::parse(&format!("{rest}T00:00:00Z")).unwrap()),
            "claim" => self.claim(Some(rest).filter(|to| !to.is_empty()), 0),
            "claim-next" => self.claim(Some(rest).filter(|to| !to.is_empty()), 1),
            "done" => self.settle(Outcome::Completed {
                result: read_value(rest),
            }),
            "ack" => self.settle(Outcome::Sent),
            "deliver" => self.settle(Outcome::Delivered),
            "fail" => {
                let reason = "no such address".to_owned();
                self.settle(Outcome::FailedForGood { reason });
            }
            "nack" => {
                let reason = "busy".to_owned();
                let retry_at = self.now.plus(TimeSpan::parse(rest).unwrap());
                self.settle(Outcome::FailedForNow { reason, retry_at });
            }
            "return" => {
                let span = Some(rest).filter(|span| !span.is_empty());
                let retry_at = span.map(|span| self.now.plus(TimeSpan::parse(span).unwrap()));
                self.settle(Outcome::Returned { retry_at });
            }
            "budget" => self.delivery.default.attempts_max = rest.parse().unwrap(),
            "full" => self.set_aside_has_room = false,
            "poison" | "park" => {
                let event = self.new_event(rest);
                let mode = IngestMode::Live;
                let command = Box::new(Command::ingest(event, mode));
                let reason = "no such thing".to_owned();
                let parks = first == "park";
                self.command(&Command::Quarantine {
                    command,
                    reason,
                    parks,
                });
            }
            "release" => self.command(&Command::Release),
            "replay" => self.replay(),
            "discard" => {
                let birth = self.state.birth;
                let what = self.set_aside();
                self.command(&Command::Discard { birth, what });
            }
            _ => panic!("unknown line in a script: {line}"),
        }
    }

    fn event(&mut self, words: &str, mode: IngestMode) {
        let mut words = words.split_whitespace();
        let name = words.next().unwrap();
        let mut event = self.new_event(name);
        for word in words {
            let (property, value) = word.split_once('=').unwrap();
            match property {
                "@id" => event.id = EventId::new(value).unwrap(),
                "@occurred" => event.occurred_at = Timestamp::parse(value).unwrap(),
                _ => {
                    event
                        .properties
                        .insert(property.to_owned(), read_value(value));
                }
            }
        }
        self.take_in(Command::ingest(event, mode));
    }

    fn take_in(&mut self, command: Command) {
        self.command(&command);
        // What the rules refused is not remembered: said again, it is refused again.
        let is_refused = |line: &String| line.contains("-- not enrolled");
        let was_refused = self.lines.last().is_some_and(is_refused);
        if self.trouble == Trouble::EveryEventTwice && !was_refused {
            self.command(&command);
        }
        self.last_taken_in = Some(command);
    }

    /// `enroll JOURNEY NAME=VALUE …`, with an id of its own unless `@id` names one.
    fn enroll(&mut self, words: &str) {
        let command = self.enrollment(words);
        self.take_in(command);
    }

    pub(super) fn enrollment(&mut self, words: &str) -> Command {
        let mut words = words.split_whitespace();
        self.n_events += 1;
        let mut enrollment = Enrollment {
            journey: JourneyId::new(words.next().unwrap()).unwrap(),
            id: EnrollmentId::new(format!("c{}", self.n_events)).unwrap(),
            input: std::collections::BTreeMap::new(),
        };
        for word in words {
            let (name, value) = word.split_once('=').unwrap();
            if name == "@id" {
                enrollment.id = EnrollmentId::new(value).unwrap();
            } else {
                let value = read_value(value);
                enrollment.input.insert(name.to_owned(), value);
            }
        }
        Command::Enroll(Arc::new(enrollment))
    }

    /// An event of this customer that occurs now, with an id of its own.
    pub(super) fn new_event(&mut self, name: &str) -> CustomerEvent {
        self.n_events += 1;
        CustomerEvent {
            customer: self.state.key.clone(),
            source: SourceName::new("test").unwrap(),
            id: EventId::new(format!("e{}", self.n_events)).unwrap(),
            name: EventName::new(name).unwrap(),
            occurred_at: self.now,
            channel: None,
            device: None,
            properties: std::collections::BTreeMap::new(),
        }
    }

    /// Moves the clock; what falls due on the way, or right there, fires 1 ms after its instant.
    pub(super) fn go_to(&mut self, target: Timestamp) {
        assert!(target >= self.now, "the clock does not go back");
        while let Some(due_at) = self.state.next_wake_at().filter(|due_at| *due_at <= target) {
            self.now = self.now.max(due_at.plus(TimeSpan::from_ms(1)));
            self.command(&Command::FireTimers);
            assert!(
                self.state.next_wake_at() > Some(due_at) || self.state.next_wake_at().is_none(),
                "a timer that was due is still armed"
            );
        }
        self.now = self.now.max(target);
    }

    fn claim(&mut self, destination: Option<&str>, n_before: usize) {
        let offered = self.state.offerable_effects();
        let offered = offered
            .filter(|(_, row)| destination.is_none_or(|to| row.destination.to_string() == to));
        let effect = offered.map(|(_, row)| row.effect).nth(n_before);
        let effect = effect.unwrap_or(Sequence::new(999));
        let until = self.now.plus(TimeSpan::from_secs(60));
        let worker = "w1".to_owned();
        self.command(&Command::Claim {
            effect,
            until,
            worker,
        });
    }

    /// The oldest thing set aside; a dead letter that is not there if there is none.
    fn set_aside(&self) -> SetAside {
        let letters = self.state.dead_letters.keys().copied();
        let commands = self.state.quarantined.keys().copied();
        let mut all = letters
            .map(SetAside::DeadLetter)
            .chain(commands.map(SetAside::Command));
        all.next()
            .unwrap_or(SetAside::DeadLetter(Sequence::new(999)))
    }

    fn replay(&mut self) {
        let birth = self.state.birth;
        self.command(&match self.set_aside() {
            SetAside::DeadLetter(effect) => Command::ReplayDeadLetter { birth, effect },
            SetAside::Command(entry) => Command::ReplayQuarantined { birth, entry },
        });
    }

    fn settle(&mut self, outcome: Outcome) {
        let (effect, attempt) = self.last_claim.unwrap();
        self.command(&Command::Settle {
            birth: self.state.birth,
            effect,
            attempt,
            outcome,
        });
    }

    /// Decides a command, and goes on with its turn until it is done.
    pub(super) fn command(&mut self, command: &Command) {
        if self.trouble == Trouble::RestartBeforeEveryCommand {
            let mut read_back = CustomerState::new(self.state.key.clone());
            self.facts
                .iter()
                .for_each(|fact| apply(&mut read_back, fact));
            self.state = read_back;
        }
        match self.decide(command) {
            Ok(reply) => self.note_reply(&reply),
            Err(rejection) => self.note(&format!("rejected: {rejection}")),
        }
        while self.state.paused_turn.is_some() {
            self.decide(&Command::ContinueTurn).unwrap();
        }
    }

    /// Decides a command and takes its facts in, holding the laws against them.
    pub(super) fn decide(&mut self, command: &Command) -> Result<Reply, Rejection> {
        let decision = self.decision(command)?;
        let mut replayed = self.state.clone();
        for fact in &decision.events {
            apply(&mut replayed, fact);
            self.lines.push(self.print(fact));
        }
        assert_eq!(
            replayed, decision.state,
            "replaying the facts makes the state"
        );
        assert!(decision.reply != Reply::Duplicate || decision.events.is_empty());
        for (_, place, reason) in &decision.condition_errors {
            self.note(&format!("condition of {place}: {reason}"));
        }
        if let Reply::Claimed { row } = &decision.reply {
            self.last_claim = Some((row.effect, row.attempt));
        }
        self.facts.extend(decision.events);
        self.state = decision.state;
        Ok(decision.reply)
    }

    fn decision(&self, command: &Command) -> Result<Decision, Rejection> {
        let context = DecideContext {
            stamp: self.now.max(self.state.stamp),
            catalog: &self.catalog,
            cluster_key: &ClusterKey::new([1; 16]),
            birth: BirthIndex::new(7),
            workspace_zone: "UTC",
            delivery: &self.delivery,
            set_aside_has_room: self.set_aside_has_room,
            rows_of_ids: crate::RowsOfIds::NotAsked,
        };
        decide(&self.state, command, &context)
    }

    fn note_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Accepted
            | Reply::Fired { .. }
            | Reply::Continued
            | Reply::Claimed { .. }
            | Reply::Recorded
            | Reply::Withdrawn { .. } => {}
            Reply::Duplicate => self.note("duplicate"),
            Reply::Enrolled { .. } => {}
            Reply::NotEnrolled { reason } => self.note(&format!("not enrolled: {reason}")),
            Reply::Settled => self.note("settled before"),
            Reply::Replayed { note } if note.is_empty() => {}
            Reply::Replayed { note } => self.note(note),
            Reply::Released { was_parked: false } => self.note("not parked"),
            Reply::Discarded
            | Reply::Quarantined { .. }
            | Reply::Parked
            | Reply::Released { was_parked: true } => {}
        }
    }

    fn note(&mut self, text: &str) {
        let line = format!("{} -- {text}", self.clock(self.now));
        self.lines.push(line);
    }

    fn print(&self, fact: &JournalEvent) -> String {
        format!(
            "{} {}",
            self.clock(fact.stamp),
            printer::describe(&fact.body)
        )
    }

    /// `01-05 09:00`, with seconds and milliseconds only where they say something.
    fn clock(&self, stamp: Timestamp) -> String {
        let text = stamp.to_string();
        let seconds = text[16..].trim_end_matches('Z');
        let seconds = if seconds == ":00" { "" } else { seconds };
        format!("{} {}{seconds}", &text[5..10], &text[11..16])
    }

    /// The journal so far, without the births.
    pub(super) fn journal(&self) -> String {
        let mut journal = String::new();
        let lines = self.lines.iter().filter(|line| !line.contains(" born "));
        for line in lines {
            writeln!(journal, "{line}").unwrap();
        }
        journal
    }
}

/// `42`, `1.5`, `true`, `null`, everything else is text.
fn read_value(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text
            .parse()
            .map_or_else(|_| Value::text(text), Value::number),
    }
}
