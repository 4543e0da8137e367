//! One customer in virtual time: what a test gives happens, and what came of it is held against what it expects.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use journey_customer::{
    Command, CustomerState, Ending, Enrollment, EventBody, IngestMode, JournalEvent, Outcome,
    printer,
};
use journey_model::{Catalog, EmbeddedTest, Expectation, GivenKind};
use journey_partition::{
    Answer, Destinations, HandOver, Input, SoloOptions, SoloPartition, Subscription, WorkerCredit,
    WorkerId,
};
use journey_types::{
    ClusterKey, CustomerEvent, CustomerId, CustomerKey, EnrollmentId, EventId, EventName,
    InstanceNumber, JourneyId, SourceName, StepId, TimeSpan, Timestamp, Value, WorkspaceId,
};

/// The worker that delivers messages.
const CHANNELS: WorkerId = WorkerId(1);
/// The worker that answers calls and tasks, there only while it does.
const WORK: WorkerId = WorkerId(2);
/// Bytes of customers that wait to be written: a test has one customer.
const DIRTY_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) struct World {
    partition: SoloPartition,
    journey: JourneyId,
    customer: CustomerKey,
    facts: Arc<Mutex<Vec<JournalEvent>>>,
    n_events: usize,
}

impl World {
    pub(super) fn new(
        catalog: &Arc<Catalog>,
        journey: &JourneyId,
        start: Timestamp,
    ) -> anyhow::Result<Self> {
        let mut partition = SoloPartition::in_memory(SoloOptions {
            decide: journey_customer::decide,
            cluster_key: ClusterKey::new([0; 16]),
            start,
            catalog: Arc::clone(catalog),
            hosted_customers_max: 1,
            dirty_size_bytes_max: DIRTY_SIZE_BYTES_MAX,
            delivers: false,
        })?;
        let facts = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&facts);
        partition.observe(Box::new(move |_, fact| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(fact.clone());
        }));
        let mut world = Self {
            partition,
            journey: journey.clone(),
            customer: CustomerKey {
                workspace: WorkspaceId::default_workspace(),
                customer: CustomerId::new("test")?,
            },
            facts,
            n_events: 0,
        };
        world.subscribe(CHANNELS, Destinations::every_channel())?;
        Ok(world)
    }

    /// Lets happen what the test gives, until its time is over.
    pub(super) fn play(&mut self, test: &EmbeddedTest) -> anyhow::Result<()> {
        if !test.traits.is_empty() {
            self.event(EventName::new("identify")?, test.traits.clone())?;
        }
        let end = test.start.plus(test.until);
        for given in &test.given {
            let at = test.start.plus(given.at);
            if at > end {
                break;
            }
            self.go_to(at)?;
            match &given.kind {
                GivenKind::Event { name, properties } => {
                    self.event(name.clone(), properties.clone())?;
                }
                GivenKind::Enroll { input } => self.enroll(input.clone())?,
                GivenKind::Outcome { step, result } => self.answer(step, result)?,
            }
        }
        // A timer due at the very end fires in a turn stamped one millisecond later.
        self.go_to(end.plus(TimeSpan::from_ms(1)))
    }

    fn go_to(&mut self, instant: Timestamp) -> anyhow::Result<()> {
        self.partition
            .advance_to(instant.max(self.partition.now()))?;
        self.deliver()
    }

    fn event(
        &mut self,
        name: EventName,
        properties: BTreeMap<String, Value>,
    ) -> anyhow::Result<()> {
        self.n_events += 1;
        let event = CustomerEvent {
            customer: self.customer.clone(),
            source: SourceName::new("test")?,
            id: EventId::new(format!("{}", self.n_events))?,
            name,
            occurred_at: self.partition.now(),
            channel: None,
            device: None,
            properties,
        };
        if let Answer::Rejected(rejection) = self.partition.ingest(event, IngestMode::Live)? {
            anyhow::bail!("an event of the test is refused: {rejection}");
        }
        self.deliver()
    }

    /// What the rules refuse is no fault of the test: it may expect just that.
    fn enroll(&mut self, input: BTreeMap<String, Value>) -> anyhow::Result<()> {
        self.n_events += 1;
        let command = Command::Enroll(Arc::new(Enrollment {
            journey: self.journey.clone(),
            id: EnrollmentId::new(format!("{}", self.n_events))?,
            input,
        }));
        let answers = self
            .partition
            .submit(vec![(self.customer.clone(), command)])?;
        if let Some(Answer::Rejected(rejection)) = answers.into_iter().next() {
            anyhow::bail!("an enroll call of the test is refused: {rejection}");
        }
        self.deliver()
    }

    fn subscribe(&mut self, worker: WorkerId, destinations: Destinations) -> anyhow::Result<()> {
        let credit = WorkerCredit::new();
        credit.add(u32::MAX);
        Ok(self.partition.input(Input::Subscribe(Subscription {
            name: "test".to_owned(),
            worker,
            workspace: self.customer.workspace.clone(),
            destinations,
            credit,
            claim_span: TimeSpan::from_secs(60),
        }))?)
    }

    /// Says of every message handed over that it was delivered.
    fn deliver(&mut self) -> anyhow::Result<()> {
        loop {
            let hand_overs = self.partition.take_hand_overs();
            if hand_overs.is_empty() {
                return Ok(());
            }
            for hand_over in hand_overs {
                self.settle(&hand_over, Outcome::Delivered)?;
            }
        }
    }

    fn answer(&mut self, step: &StepId, result: &Result<Value, String>) -> anyhow::Result<()> {
        let state = self.state()?;
        let rows = state.iter().flat_map(|state| state.outbox.values());
        let mut waiting = rows.filter(|row| row.step == *step && row.journey == self.journey);
        let Some(destination) = waiting.next().map(|row| row.destination.clone()) else {
            anyhow::bail!(
                "nothing waits for the outcome of step `{step}` at {}",
                self.partition.now()
            );
        };
        self.subscribe(WORK, Destinations::only([destination]))?;
        let hand_overs = self.partition.take_hand_overs();
        self.partition.input(Input::Unsubscribe(WORK))?;
        let is_it = |hand_over: &&HandOver| hand_over.row.step == *step;
        let Some(hand_over) = hand_overs.iter().find(is_it) else {
            anyhow::bail!(
                "step `{step}` was answered less than a minute ago, or waits for its retry"
            );
        };
        let outcome = match result {
            Ok(result) => Outcome::Completed {
                result: result.clone(),
            },
            Err(reason) => Outcome::FailedForGood {
                reason: reason.clone(),
            },
        };
        self.settle(hand_over, outcome)?;
        self.deliver()
    }

    fn settle(&mut self, hand_over: &HandOver, outcome: Outcome) -> anyhow::Result<()> {
        let command = Command::Settle {
            birth: hand_over.row.birth,
            effect: hand_over.row.effect,
            attempt: hand_over.row.attempt,
            outcome,
        };
        let commands = vec![(hand_over.customer.clone(), command)];
        self.partition.submit(commands)?;
        Ok(())
    }

    fn state(&self) -> anyhow::Result<Option<Arc<CustomerState>>> {
        Ok(self.partition.customer(&self.customer)?)
    }

    fn facts(&self) -> Vec<JournalEvent> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.clone()
    }

    /// What happened, one line a fact.
    pub(super) fn into_journal(self) -> Vec<String> {
        self.facts().iter().map(printer::line).collect()
    }

    /// What differs from what was expected.
    pub(super) fn differences(&self, expect: &Expectation) -> anyhow::Result<Vec<String>> {
        let found = Found::of(&self.facts(), &self.journey);
        let state = self.state()?;
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: Option<String>, found: String| {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                differences.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        let instance = found
            .newest
            .and_then(|newest| state.as_ref()?.instances.get(&newest));
        let step = instance.map_or("none", |instance| instance.step.as_str());
        compare(
            "state",
            expect.state.map(str::to_owned),
            found.state.to_owned(),
        );
        compare("outcome", expect.outcome.clone(), found.outcome.clone());
        compare(
            "step",
            expect.step.as_ref().map(StepId::to_string),
            step.to_owned(),
        );
        compare(
            "entered",
            expect.entered.map(|n| n.to_string()),
            found.n_entered.to_string(),
        );
        compare(
            "goals",
            expect.goals.as_ref().map(print),
            print(&found.goals),
        );
        compare("sent", expect.sent.as_ref().map(print), print(&found.sent));
        compare(
            "emitted",
            expect.emitted.as_ref().map(print),
            print(&found.emitted),
        );
        for (name, value) in &expect.traits {
            let found = state.as_ref().and_then(|state| state.traits.get(name));
            let found = found.unwrap_or(&Value::Null);
            compare(
                &format!("traits.{name}"),
                Some(value.to_string()),
                found.to_string(),
            );
        }
        for (name, value) in &expect.vars {
            let found = found.vars.get(name).unwrap_or(&Value::Null);
            compare(
                &format!("vars.{name}"),
                Some(value.to_string()),
                found.to_string(),
            );
        }
        Ok(differences)
    }
}

fn print(names: &impl Debug) -> String {
    format!("{names:?}")
}

/// What came of the journey, as its facts tell.
struct Found {
    newest: Option<InstanceNumber>,
    state: &'static str,
    outcome: String,
    n_entered: u64,
    goals: Vec<String>,
    sent: Vec<String>,
    emitted: Vec<String>,
    vars: BTreeMap<String, Value>,
}

impl Found {
    fn of(facts: &[JournalEvent], journey: &JourneyId) -> Self {
        let mut found = Self {
            newest: None,
            state: "none",
            outcome: String::new(),
            n_entered: 0,
            goals: Vec::new(),
            sent: Vec::new(),
            emitted: Vec::new(),
            vars: BTreeMap::new(),
        };
        for fact in facts {
            found.note(&fact.body, journey);
        }
        found
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what a test can expect; the other facts are shown in the journal"
    )]
    fn note(&mut self, body: &EventBody, of: &JourneyId) {
        match body {
            EventBody::InstanceEntered(entered) if entered.journey == *of => {
                self.newest = Some(entered.instance);
                self.n_entered += 1;
                self.state = "active";
                self.outcome.clear();
                self.vars.clear();
            }
            EventBody::GoalReached { instance, goal } if instance.journey == *of => {
                self.goals.push(goal.clone());
            }
            EventBody::MessageGranted(granted) if granted.journey == *of => {
                self.sent.push(granted.content.to_string());
            }
            EventBody::EventAccepted {
                event,
                raised_by: Some(by),
                ..
            } if by.journey == *of => self.emitted.push(event.name.to_string()),
            EventBody::VarChanged {
                instance,
                name,
                value,
            } if Some(*instance) == self.newest => {
                self.vars
                    .insert(name.clone(), value.clone().unwrap_or_default());
            }
            EventBody::InstanceParked { instance, .. } if Some(instance.number) == self.newest => {
                self.state = "parked";
            }
            EventBody::StepMoved { instance, .. } if Some(instance.number) == self.newest => {
                self.state = "active";
            }
            EventBody::InstanceEnded {
                instance, ending, ..
            } if Some(instance.number) == self.newest => {
                (self.state, self.outcome) = match ending {
                    Ending::Completed => ("completed", "completed".to_owned()),
                    Ending::Goal(goal) => ("completed", goal.clone()),
                    Ending::Exited(reason) => ("exited", format!("exited:{reason}")),
                };
            }
            _ => {}
        }
    }
}
