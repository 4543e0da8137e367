//! Instances: how they begin, move, rest and end, and what is remembered of them afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::{InstanceNumber, StepId, Timestamp};

use crate::event::{Departure, Ending, InstanceEntered, Rest, TimerKind};
use crate::state::{CustomerState, Instance, JourneyMemory, WatchedGoal};

/// The instance a fact speaks of, to be changed.
pub(super) fn of(state: &mut CustomerState, number: InstanceNumber) -> &mut Instance {
    let instance = state.instances.get_mut(&number);
    assert!(
        instance.is_some(),
        "a fact speaks of instance {number}, which does not run"
    );
    Arc::make_mut(instance.expect("asserted above"))
}

/// Begins an instance at its first step, and remembers the entry as long as the fact asks for.
pub(super) fn enter(state: &mut CustomerState, entered: &InstanceEntered) {
    assert!(
        entered.instance == state.next_instance,
        "instance {} enters where {} is next",
        entered.instance,
        state.next_instance
    );
    state.next_instance = entered.instance.next();
    let stamp = state.stamp;
    let memory = state.journeys.get_or_default(entered.journey.clone());
    memory.newest = Some((entered.instance, "active"));
    memory.outcome.clear();
    memory
        .entries
        .retain(|_, (_, remembered_until)| *remembered_until > stamp);
    if let Some(remembered_until) = entered.remembered_until {
        let key = entered.key.clone().unwrap_or_default();
        memory.entries.insert(key, (stamp, remembered_until));
    }
    let instance = Instance {
        number: entered.instance,
        journey: entered.journey.clone(),
        version: entered.version,
        key: entered.key.clone(),
        entry: entered.entry.clone(),
        entered_at: stamp,
        step: entered.step.clone(),
        step_entered_at: stamp,
        rest: Rest::default(),
        parked: None,
        vars: BTreeMap::new(),
        open_goals: entered.goals.clone(),
        foreseen: Vec::new(),
    };
    state.instances.insert(entered.instance, Arc::new(instance));
}

/// Brings an instance to the start of the next step. All its timers are disarmed; a branch that was taken has used
/// up what it had foreseen.
pub(super) fn step_move(
    state: &mut CustomerState,
    number: InstanceNumber,
    (from, how): (&StepId, &Departure),
    to: Option<&StepId>,
) {
    let stamp = state.stamp;
    let instance = of(state, number);
    assert!(
        instance.step == *from,
        "instance {number} leaves {from} but is at {}",
        instance.step
    );
    instance.rest = Rest::default();
    instance.parked = None;
    if let Departure::Branch(taken) = how {
        let is_taken = |(step, branch_idx): &(StepId, u16)| step == from && branch_idx == taken;
        instance.foreseen.retain(|foreseen| !is_taken(foreseen));
    }
    if let Some(to) = to {
        instance.step = to.clone();
        instance.step_entered_at = stamp;
    }
}

/// Disarms a timer that fired.
pub(super) fn disarm(
    state: &mut CustomerState,
    number: InstanceNumber,
    kind: TimerKind,
    due_at: Timestamp,
) {
    let stamp = state.stamp;
    let timers = &mut of(state, number).rest.timers;
    assert!(due_at < stamp, "a timer due at {due_at} fires at {stamp}");
    let n_armed = timers.len();
    timers.retain(|timer| timer.kind != kind || timer.due_at != due_at);
    assert!(
        timers.len() < n_armed,
        "a timer of instance {number} fires that is not armed"
    );
}

/// Takes a reached goal off the list, be the instance running or ended.
pub(super) fn reach_goal(state: &mut CustomerState, number: InstanceNumber, goal: &str) {
    if state.instances.contains_key(&number) {
        of(state, number).open_goals.remove(goal);
    } else {
        let is_reached = |watched: &WatchedGoal| watched.instance == number && watched.goal == goal;
        state.watched_goals.retain(|watched| !is_reached(watched));
    }
}

/// Parks an instance: its timers are disarmed.
pub(super) fn park(state: &mut CustomerState, number: InstanceNumber, reason: &str) {
    let instance = of(state, number);
    instance.rest = Rest::default();
    instance.parked = Some(reason.to_owned());
    let journey = instance.journey.clone();
    let memory = state.journeys.get_or_default(journey);
    if is_newest(memory, number) {
        memory.newest = Some((number, "parked"));
    }
}

/// Ends an instance; goals with a deadline ahead are watched on.
pub(super) fn end(state: &mut CustomerState, number: InstanceNumber, ending: &Ending) {
    let stamp = state.stamp;
    let instance = state.instances.remove(&number);
    assert!(
        instance.is_some(),
        "instance {number} ends but does not run"
    );
    let instance = instance.expect("asserted above");
    for (goal, until) in &instance.open_goals {
        if let Some(until) = until.filter(|until| *until >= stamp) {
            state.watched_goals.push(WatchedGoal {
                instance: number,
                journey: instance.journey.clone(),
                version: instance.version,
                key: instance.key.clone(),
                entry: instance.entry.clone(),
                goal: goal.clone(),
                until,
            });
        }
    }
    let memory = state.journeys.get_or_default(instance.journey.clone());
    if is_newest(memory, number) {
        let (name, outcome) = match ending {
            Ending::Completed => ("completed", "completed".to_owned()),
            Ending::Goal(goal) => ("completed", goal.clone()),
            Ending::Exited(reason) => ("exited", format!("exited:{reason}")),
        };
        memory.newest = Some((number, name));
        memory.outcome = outcome;
    }
}

fn is_newest(memory: &JourneyMemory, number: InstanceNumber) -> bool {
    memory.newest.is_some_and(|(newest, _)| newest == number)
}
