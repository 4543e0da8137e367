//! The compact print of the journal: one line a fact, for tests, timelines and `journeyctl journal`.
//!
//! Timelines keep these texts in the customer's state: a change here is a change of what [`crate::apply()`] makes.

use std::fmt::Write as _;

use crate::command::{IngestMode, Outcome};
use crate::entrance::Entrance;
use crate::event::{
    Departure, Ending, EventBody, InstanceEntered, InstanceRef, JournalEvent, MessageGranted, Rest,
    TimerKind, WorkEmitted,
};
use crate::set_aside::SetAside;
use journey_types::{CustomerEvent, StepId, Value};

/// One line: sequence, stamp, fact.
#[must_use]
pub fn line(fact: &JournalEvent) -> String {
    format!("{} {} {}", fact.sequence, fact.stamp, describe(&fact.body))
}

/// What happened, without number and time.
#[must_use]
#[expect(
    clippy::too_many_lines,
    reason = "one arm per fact, in the order of the enum"
)]
pub fn describe(body: &EventBody) -> String {
    match body {
        EventBody::CustomerBorn { birth } => format!("born {birth}"),
        EventBody::EventAccepted {
            event,
            mode,
            raised_by,
            ..
        } => accepted(event, *mode, raised_by.as_ref()),
        EventBody::TraitChanged { name, value } => written("trait", name, value.as_ref()),
        EventBody::LifecycleChanged { stage } => {
            format!("lifecycle = {}", stage.as_deref().unwrap_or("none"))
        }
        EventBody::InstanceEntered(entered) => instance_entered(entered),
        EventBody::EntryRefused {
            journey,
            version,
            reason,
        } => format!("entry into {journey} v{version} refused: {reason}"),
        EventBody::EntryQueued {
            journey,
            key,
            entry,
            n_dropped,
        } => {
            let dropped = if *n_dropped > 0 {
                ", oldest dropped"
            } else {
                ""
            };
            let key = key_text(key.as_deref());
            format!(
                "entry into {journey}{key} by {} queued{dropped}",
                entrance(entry)
            )
        }
        EventBody::EnrollmentAccepted { journey, .. } => format!("enrolled in {journey}"),
        EventBody::EntryDequeued { journey, key } => {
            format!("entry into {journey}{} dequeued", key_text(key.as_deref()))
        }
        EventBody::StepMoved {
            instance,
            from,
            how,
            to,
        } => moved(instance, from, how, to.as_ref()),
        EventBody::Rested { instance, rest } => format!("#{instance} rests{}", rest_text(rest)),
        EventBody::TimerFired {
            instance,
            timer,
            due_at,
        } => format!(
            "#{} timer fired: {}, due {due_at}",
            instance.number,
            timer_text(*timer)
        ),
        EventBody::BranchForeseen {
            instance,
            step,
            branch_idx,
        } => format!("#{instance} foresaw branch {branch_idx} of {step}"),
        EventBody::VarChanged {
            instance,
            name,
            value,
        } => format!("#{instance} {}", written("var", name, value.as_ref())),
        EventBody::GoalReached { instance, goal } => {
            format!("#{} reached goal {goal}", instance.number)
        }
        EventBody::InstanceParked { instance, reason } => {
            format!("#{} parked: {reason}", instance.number)
        }
        EventBody::InstanceEnded {
            instance, ending, ..
        } => format!("#{} ended: {}", instance.number, ending_text(ending)),
        EventBody::MessageGranted(granted) => message_granted(granted),
        EventBody::MessageRefused {
            instance,
            content,
            reason,
        } => format!("#{} message {content} refused: {reason}", instance.number),
        EventBody::WorkEmitted(emitted) => work_emitted(emitted),
        EventBody::TaskOverdue {
            instance,
            effect,
            due_at,
            escalated_to,
        } => {
            let number = instance.number;
            let consequence = match escalated_to {
                Some(destination) => format!(", escalated to {destination}"),
                None => String::new(),
            };
            format!("#{number} task {effect} overdue since {due_at}{consequence}")
        }
        EventBody::EffectClaimed { .. }
        | EventBody::EffectWithdrawn { .. }
        | EventBody::EffectSettled { .. } => effect_text(body),
        EventBody::EffectDeadLettered { effect, reason, .. } => {
            format!("effect {effect} became a dead letter: {reason}")
        }
        EventBody::CommandQuarantined(command) => {
            format!("{} quarantined: {}", command.kind, command.reason)
        }
        EventBody::CustomerParked { reason } => format!("customer parked: {reason}"),
        EventBody::CustomerReleased => "customer released".to_owned(),
        EventBody::SetAsideClosed { what, how, .. } => match what {
            SetAside::DeadLetter(effect) => format!("dead letter {effect} {}", how.as_str()),
            SetAside::Command(entry) => {
                format!("quarantined command {entry} {}", how.as_str())
            }
        },
        EventBody::TurnPaused {
            round,
            events,
            instances,
        } => format!(
            "turn paused, round {round}: {} events, {} instances",
            events.len(),
            instances.len()
        ),
        EventBody::TurnResumed => "turn resumed".to_owned(),
    }
}

fn accepted(event: &CustomerEvent, mode: IngestMode, raised_by: Option<&InstanceRef>) -> String {
    let mut text = format!("event {}", event.name);
    for (name, value) in &event.properties {
        push(&mut text, format_args!(" {name}={value}"));
    }
    if let Some(instance) = raised_by {
        push(&mut text, format_args!(" (raised by #{})", instance.number));
    }
    if mode == IngestMode::History {
        text.push_str(" (history)");
    }
    text
}

fn instance_entered(entered: &InstanceEntered) -> String {
    let by = match &entered.entry {
        // The event stands above.
        Entrance::Event(_) => String::new(),
        Entrance::Enrolled(_) => format!(" by {}", entrance(&entered.entry)),
    };
    format!(
        "#{} entered {} v{}{} at {}{by}",
        entered.instance,
        entered.journey,
        entered.version,
        key_text(entered.key.as_deref()),
        entered.step
    )
}

/// By what someone enters.
fn entrance(entry: &Entrance) -> String {
    match entry {
        Entrance::Event(event) => event.name.to_string(),
        Entrance::Enrolled(enrollment) => {
            let mut text = format!("enroll {}", enrollment.id);
            for (name, value) in &enrollment.input {
                push(&mut text, format_args!(" {name}={value}"));
            }
            text
        }
    }
}

fn moved(instance: &InstanceRef, from: &StepId, how: &Departure, to: Option<&StepId>) -> String {
    let number = instance.number;
    let to = to.map_or("end", StepId::as_str);
    match how {
        Departure::Done => format!("#{number} {from} -> {to}"),
        Departure::Skipped => format!("#{number} {from} -> {to} (skipped)"),
        Departure::TimedOut => format!("#{number} {from} -> {to} (timeout)"),
        Departure::Branch(branch_idx) => format!("#{number} {from} -> {to} (branch {branch_idx})"),
        Departure::AlreadyDue { branch_idx, due_at } => {
            let branch = branch_idx.map_or(String::new(), |idx| format!("branch {idx}, "));
            format!("#{number} {from} -> {to} ({branch}already due at {due_at})")
        }
        Departure::Failed(reason) => format!("#{number} {from} -> {to} (failed: {reason})"),
        Departure::Refused(reason) => format!("#{number} {from} -> {to} (refused: {reason})"),
    }
}

fn rest_text(rest: &Rest) -> String {
    let mut text = String::new();
    for timer in &rest.timers {
        let kind = timer_text(timer.kind);
        push(&mut text, format_args!(", {kind} due {}", timer.due_at));
    }
    for (branch_idx, value) in &rest.when_values {
        push(&mut text, format_args!(", branch {branch_idx} is {value}"));
    }
    if let Some(effect) = rest.awaited_effect {
        push(&mut text, format_args!(", awaits effect {effect}"));
    }
    text.replacen(',', ":", 1)
}

fn timer_text(kind: TimerKind) -> String {
    match kind {
        TimerKind::Delay => "delay".to_owned(),
        TimerKind::Branch(branch_idx) => format!("branch {branch_idx}"),
        TimerKind::StepTimeout => "timeout".to_owned(),
        TimerKind::Recheck => "recheck".to_owned(),
        TimerKind::Sla => "sla".to_owned(),
    }
}

fn ending_text(ending: &Ending) -> String {
    match ending {
        Ending::Completed => "completed".to_owned(),
        Ending::Goal(goal) => format!("completed by goal {goal}"),
        Ending::Exited(reason) => format!("exited:{reason}"),
    }
}

fn message_granted(granted: &MessageGranted) -> String {
    format!(
        "#{} message {} granted on {}: {}",
        granted.instance, granted.content, granted.channel, granted.why
    )
}

fn work_emitted(emitted: &WorkEmitted) -> String {
    let mut text = format!(
        "#{} {} at {} goes to {}",
        emitted.instance,
        emitted.kind.as_str(),
        emitted.step,
        emitted.destination
    );
    for (name, value) in &emitted.input {
        push(&mut text, format_args!(" {name}={value}"));
    }
    text
}

fn effect_text(body: &EventBody) -> String {
    if let EventBody::EffectClaimed {
        effect,
        attempt,
        until,
        ..
    } = body
    {
        return format!("effect {effect} claimed: attempt {attempt} until {until}");
    }
    if let EventBody::EffectWithdrawn { effect, reason } = body {
        return format!("effect {effect} withdrawn: {reason}");
    }
    let EventBody::EffectSettled {
        effect,
        attempt,
        outcome,
    } = body
    else {
        return String::new();
    };
    let outcome = match outcome {
        Outcome::Sent => "sent".to_owned(),
        Outcome::Delivered => "delivered".to_owned(),
        Outcome::Completed { result } => format!("completed: {result}"),
        Outcome::FailedForGood { reason } => format!("failed for good: {reason}"),
        Outcome::FailedForNow { reason, retry_at } => {
            format!("failed for now, again at {retry_at}: {reason}")
        }
        Outcome::Returned { retry_at: None } => "returned".to_owned(),
        Outcome::Returned {
            retry_at: Some(retry_at),
        } => format!("returned, again at {retry_at}"),
    };
    format!("effect {effect} attempt {attempt} {outcome}")
}

fn written(kind: &str, name: &str, value: Option<&Value>) -> String {
    match value {
        Some(value) => format!("{kind} {name} = {value}"),
        None => format!("{kind} {name} removed"),
    }
}

fn key_text(key: Option<&str>) -> String {
    key.map_or(String::new(), |key| format!(" [{key}]"))
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing to text cannot fail");
}
