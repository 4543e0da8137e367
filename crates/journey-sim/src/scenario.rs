//! A run from its seed to its verdict: faults for a while, then healing, then everything must drain and add up.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use journey_customer::Command;
use journey_partition::{Input, ProposeResult};
use journey_types::{TimeSpan, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::catalog::catalog;
use crate::invariants;
use crate::journal::Pending;
use crate::options::{Fate, SimOptions};
use crate::producer::Producer;
use crate::traffic::{Traffic, customer_key};
use crate::world::World;

/// Wakes after healing within which everything must have drained: far more than the timers that a run can leave, and
/// few enough that a core which spins is found out.
const HEAL_ROUNDS_MAX: u32 = 20_000;

/// Jumps of the clock in one run: together they stay well within the window in which event ids are remembered.
const CLOCK_JUMPS_MAX: u32 = 2;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Whether the run came to the point at which [`SimOptions::end`] ends a session.
    pub reached_end: bool,
    /// Equal for two runs of one seed.
    pub trace_hash: u64,
    /// Events and enroll calls acknowledged as accepted.
    pub n_accepted: usize,
    /// Facts journaled.
    pub n_facts: usize,
    /// Effects handed over.
    pub n_hand_overs: usize,
    /// Timers that took effect.
    pub n_timers_fired: usize,
    /// Enroll calls that took effect.
    pub n_enrolled: usize,
    /// Calls and tasks that were answered.
    pub n_work_done: usize,
    /// How often each fault happened.
    pub faults: BTreeMap<&'static str, u64>,
}

/// A broken promise, with the command that shows it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "seed {}: {}\nrepeat with: cargo xtask sim --seed {}",
            self.seed, self.reason, self.seed
        )
    }
}

/// Runs one seed.
///
/// # Errors
/// The first [`Violation`].
pub fn simulate(options: &SimOptions) -> Result<Summary, Violation> {
    let run = || {
        let mut run = Run::new(options);
        run.with_faults();
        run.heal();
        invariants::check_all(&run.world)?;
        Ok(run.summary())
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome.map_err(|reason| Violation {
            seed: options.seed,
            reason,
        }),
        Err(panic) => {
            let reason = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "a panic without words".to_owned());
            Err(Violation {
                seed: options.seed,
                reason,
            })
        }
    }
}

struct Run<'a> {
    options: &'a SimOptions,
    rng: SmallRng,
    traffic: Traffic,
    producer: Producer,
    world: World,
    n_catalogs: u64,
    n_clock_jumps: u32,
}

impl<'a> Run<'a> {
    fn new(options: &'a SimOptions) -> Self {
        Self {
            options,
            rng: SmallRng::seed_from_u64(options.seed),
            traffic: Traffic::new(options.n_customers),
            producer: Producer::default(),
            world: World::new(options, catalog(1)),
            n_catalogs: 1,
            n_clock_jumps: 0,
        }
    }

    fn with_faults(&mut self) {
        for _ in 0..self.options.n_steps {
            match self.rng.random_range(0..100_u32) {
                0..14 => self.submit(),
                14..20 => {
                    let traffic = &mut self.traffic;
                    self.producer.step(traffic, &mut self.rng, &mut self.world);
                }
                20..22 => self.world.read(),
                22..42 => self.step_journal(),
                42..52 => self.world.journal.sync(),
                52..71 => {
                    self.world.apply_one();
                }
                71..74 => self.confirm(),
                74..81 => self.advance(),
                81..88 => self.work(),
                88..94 => self.world.checkpoint_step(),
                94..96 => self.publish(),
                96..98 => self.land_stray(),
                _ => self.disturb(),
            }
        }
    }

    /// One request of one to three events or enroll calls.
    fn submit(&mut self) {
        let n_commands = self.rng.random_range(1..=3);
        let commands = (0..n_commands)
            .map(|_| self.traffic.take_in(&mut self.rng, self.world.now))
            .collect();
        self.world.submit(commands);
    }

    fn confirm(&mut self) {
        let leads = !self.options.faults.leader_changes || self.rng.random_bool(0.9);
        if self.world.confirm(leads) && !leads {
            self.world.count_fault("leadership unproven");
        }
    }

    fn land_stray(&mut self) {
        if self.world.journal.land_stray() {
            self.world.count_fault("landed late");
        }
    }

    /// Deals with the next proposal: appends it, or disappoints.
    fn step_journal(&mut self) {
        let Some(pending) = self.world.journal.pending.pop_front() else {
            return;
        };
        let faults = self.options.faults;
        let fate = match self.rng.random_range(0..40_u32) {
            _ if pending.fate.is_some() => pending.fate,
            0 if faults.refusals => Some(Fate::Refused),
            1 if faults.losses => Some(Fate::LostAndLanded),
            2 if faults.losses && self.rng.random_bool(0.5) => Some(Fate::LostAndLate),
            2 if faults.losses => Some(Fate::Lost),
            3 if faults.repeats => {
                self.world.count_fault("repeated");
                let again = pending.encoded.clone();
                self.deal(pending, None);
                self.world.journal.append(again, None);
                return;
            }
            _ => None,
        };
        self.deal(pending, fate);
    }

    /// Gives a proposal its fate.
    fn deal(&mut self, pending: Pending, fate: Option<Fate>) {
        let Pending {
            proposal, encoded, ..
        } = pending;
        let result = match fate {
            None => {
                self.world.journal.append(encoded, Some(proposal));
                return;
            }
            Some(Fate::Refused) => {
                self.world.count_fault("refused");
                ProposeResult::Refused("simulated".to_owned())
            }
            Some(Fate::Lost) => {
                self.world.count_fault("lost");
                ProposeResult::Lost
            }
            Some(Fate::LostAndLanded) => {
                self.world.count_fault("lost and landed");
                self.world.journal.append(encoded, None);
                ProposeResult::Lost
            }
            Some(Fate::LostAndLate) => {
                self.world.count_fault("lost");
                self.world.journal.go_astray(encoded);
                ProposeResult::Lost
            }
        };
        self.world.proposed(proposal, result);
    }

    fn advance(&mut self) {
        let to_wake = self.world.wake_at.filter(|_| self.rng.random_bool(0.5));
        let step = TimeSpan::from_ms(self.rng.random_range(1..900_000));
        self.world.now = to_wake.map_or(self.world.now.plus(step), |at| at.max(self.world.now));
        self.wake();
    }

    fn wake(&mut self) {
        if self.world.wake_at.is_some_and(|at| at <= self.world.now) {
            self.world.wake_at = None;
            self.world.give(Input::Wake);
        }
    }

    /// The worker answers the oldest effect it holds, or forgets it: then its claim expires.
    fn work(&mut self) {
        let Some(hand_over) = self.world.at_worker.pop_front() else {
            return;
        };
        if self.rng.random_bool(0.8) {
            let (customer, command) = Traffic::outcome(&mut self.rng, &hand_over, self.world.now);
            self.world.submit(vec![(customer, command)]);
        }
        self.world.add_credit(hand_over.worker);
    }

    fn publish(&mut self) {
        if self.n_catalogs < 4 {
            self.n_catalogs += 1;
            self.world.catalog = catalog(self.n_catalogs);
            let catalog = std::sync::Arc::clone(&self.world.catalog);
            self.world.give(Input::CatalogOffered(catalog));
        }
    }

    fn disturb(&mut self) {
        let faults = self.options.faults;
        match self.rng.random_range(0..8_u32) {
            0..2 if faults.power_cuts => {
                self.world.count_fault("power cut");
                if self.rng.random_bool(0.5) && self.world.tear_checkpoint(&mut self.rng) {
                    self.world.count_fault("torn checkpoint");
                }
                self.world.cut_power(self.options, &mut self.rng);
                self.producer.cut_off(&mut self.world);
            }
            2..4 if faults.leader_changes => {
                self.world.count_fault("leader change");
                self.world.give(Input::LeadershipLost);
                for proposal in self.world.journal.forget_waiters(&mut self.rng) {
                    self.world.proposed(proposal, ProposeResult::Lost);
                }
                // It leads again with a tail that is not applied, and maybe not durable.
                self.world.lead();
            }
            4..6 if faults.clock_steps => {
                self.world.count_fault("clock step");
                let step = TimeSpan::from_ms(self.rng.random_range(-3_600_000..3_600_000));
                self.world.now = self.world.now.plus(step);
                self.wake();
            }
            6 if faults.clock_jumps && self.n_clock_jumps < CLOCK_JUMPS_MAX => {
                self.world.count_fault("clock jump");
                self.n_clock_jumps += 1;
                let step = TimeSpan::from_ms(self.rng.random_range(90_000_000..110_000_000));
                self.world.now = self.world.now.plus(step);
                self.wake();
            }
            7 => self.operate(),
            _ => {}
        }
    }

    /// An operator accepts the clock and lets parked customers go on, where there is reason to.
    fn operate(&mut self) {
        let status = self.world.core.status(self.world.now);
        if status.clock_held.is_some() {
            self.world.count_fault("clock held");
            self.world.give(Input::AcceptClock);
        }
        if status.n_parked > 0 {
            self.world.count_fault("parked");
            for n in 0..self.options.n_customers {
                self.world.submit(vec![(customer_key(n), Command::Release)]);
            }
        }
    }

    /// Everything works again: time runs, from one wake that the core asked for to the next, until nothing is left.
    fn heal(&mut self) {
        while self.world.journal.land_stray() {}
        for _ in 0..HEAL_ROUNDS_MAX {
            self.operate();
            self.settle();
            let is_heard = self.producer.drain(&mut self.world);
            if is_heard && self.world.is_idle() && !self.has_timers() && !self.has_open_effects() {
                return;
            }
            if !self.world.journal.pending.is_empty() {
                continue;
            }
            let Some(wake_at) = self.world.wake_at else {
                break;
            };
            self.world.now = wake_at.max(self.world.now);
            self.wake();
        }
        panic!(
            "not drained after the faults ended, next wake {:?}, timers {}, open effects {}: {:?}",
            self.world.wake_at,
            self.has_timers(),
            self.has_open_effects(),
            self.world.core.status(self.world.now)
        );
    }

    fn has_timers(&self) -> bool {
        let replica = self.world.replica.lock();
        let next = replica.timers_due(None, Timestamp::MAX, 1);
        !next.expect("the memory engine does not fail").is_empty()
    }

    fn has_open_effects(&self) -> bool {
        let open = self.world.replica.lock().open_effects(None, 1);
        !open.expect("the memory engine does not fail").is_empty()
    }

    /// Carries out everything that can be done at this instant.
    fn settle(&mut self) {
        loop {
            while let Some(pending) = self.world.journal.pending.pop_front() {
                let fate = pending.fate;
                self.deal(pending, fate);
            }
            self.world.journal.sync();
            self.world.apply_all();
            self.world.report_late_one();
            while self.world.confirm(true) {}
            if let Some(hand_over) = self.world.at_worker.pop_front() {
                let (customer, command): (_, Command) = Traffic::sent(&hand_over);
                self.world.submit(vec![(customer, command)]);
                self.world.add_credit(hand_over.worker);
            } else if self.world.is_idle() {
                return;
            } else if self.world.journal.pending.is_empty() && !self.world.journal.has_unapplied() {
                // Waiting for an instant, such as the pause before a new session.
                return;
            }
        }
    }

    fn summary(&self) -> Summary {
        use journey_customer::{EventBody, Outcome};
        let oracle = &self.world.oracle;
        let is_enrolled = |body: &EventBody| matches!(body, EventBody::EnrollmentAccepted { .. });
        let is_work_done = |body: &EventBody| {
            matches!(
                body,
                EventBody::EffectSettled {
                    outcome: Outcome::Completed { .. },
                    ..
                }
            )
        };
        let count = |is_it: &dyn Fn(&EventBody) -> bool| {
            let facts = oracle.facts.iter();
            facts.filter(|(_, _, fact)| is_it(&fact.body)).count()
        };
        let is_firing = |body: &EventBody| matches!(body, EventBody::TimerFired { .. });
        let counters = self.world.core.counters();
        let mut faults = self.world.faults.clone();
        *faults.entry("panic").or_default() += counters.n_quarantined;
        Summary {
            reached_end: self.world.has_ended(),
            trace_hash: self.world.trace_hash(),
            n_accepted: oracle.accepted.len(),
            n_facts: oracle.facts.len(),
            n_hand_overs: oracle.hand_overs.values().map(Vec::len).sum(),
            n_timers_fired: count(&is_firing),
            n_enrolled: count(&is_enrolled),
            n_work_done: count(&is_work_done),
            faults,
        }
    }
}
