//! One fact of every kind, with every field set.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{
    ArmedTimer, Closing, Departure, Ending, Enrollment, Entrance, EventBody, FallbackScope, Feed,
    IngestMode, InstanceEntered, MessageGranted, Outcome, QuarantinedCommand, RaisedEvent, Rest,
    SetAside, TimerKind, WorkEmitted, WorkKind,
};
use journey_types::{
    AggregateId, BirthIndex, ContentVersion, DefinitionVersion, Fingerprint, InstanceNumber,
    Sequence, TimeSpan, Value,
};

use super::{at, event, every_value, id, instance};

pub(super) fn rest() -> Rest {
    let armed = |due_at, kind| ArmedTimer {
        due_at: at(due_at),
        kind,
    };
    Rest {
        timers: vec![
            armed(10, TimerKind::Delay),
            armed(20, TimerKind::Branch(1)),
            armed(30, TimerKind::StepTimeout),
            armed(40, TimerKind::Recheck),
            armed(50, TimerKind::Sla),
        ],
        when_values: BTreeMap::from([(0, true), (2, false)]),
        awaited_effect: Some(Sequence::new(6)),
    }
}

pub(super) fn enrollment() -> Arc<Enrollment> {
    Arc::new(Enrollment {
        journey: id("cart"),
        id: id("wave-3/c-1"),
        input: every_value(),
    })
}

pub(super) fn fallback() -> Arc<FallbackScope> {
    Arc::new(FallbackScope {
        key: Some("k".to_owned()),
        entry: Entrance::Event(event()),
        entered_at: at(60),
        vars: every_value(),
    })
}

fn moved(how: Departure) -> EventBody {
    EventBody::StepMoved {
        instance: instance(),
        from: id("wait"),
        how,
        to: Some(id("remind")),
    }
}

fn ended(ending: Ending) -> EventBody {
    EventBody::InstanceEnded {
        instance: instance(),
        entered_at: at(50),
        left: Some(id("wait")),
        was_parked: true,
        ending,
    }
}

fn fired(timer: TimerKind) -> EventBody {
    EventBody::TimerFired {
        instance: instance(),
        timer,
        due_at: at(10),
    }
}

fn settled(outcome: Outcome) -> EventBody {
    EventBody::EffectSettled {
        effect: Sequence::new(6),
        attempt: 2,
        outcome,
    }
}

fn entered(entry: Entrance) -> EventBody {
    EventBody::InstanceEntered(Box::new(InstanceEntered {
        instance: InstanceNumber::new(4),
        journey: id("cart"),
        version: DefinitionVersion::new(2),
        key: Some("k".to_owned()),
        step: id("wait"),
        entry,
        goals: BTreeMap::from([
            ("bought".to_owned(), Some(at(70))),
            ("seen".to_owned(), None),
        ]),
        remembered_until: Some(at(80)),
    }))
}

fn granted() -> EventBody {
    EventBody::MessageGranted(Box::new(MessageGranted {
        instance: InstanceNumber::new(4),
        journey: id("cart"),
        version: DefinitionVersion::new(2),
        step: id("remind"),
        channel: id("email"),
        content: id("cart/reminder"),
        content_version: ContentVersion::new(3),
        locale: Some("en-GB".to_owned()),
        rendered: BTreeMap::from([("subject".to_owned(), "Your cart".to_owned())]),
        why: "added a-7".to_owned(),
        purpose: "service".to_owned(),
        send_by: Some(at(90)),
        failed_channels: vec![id("push")],
        fallback: Some(fallback()),
    }))
}

fn work_emitted(kind: WorkKind, destination: &str) -> EventBody {
    EventBody::WorkEmitted(Box::new(WorkEmitted {
        instance: InstanceNumber::new(4),
        journey: id("cart"),
        version: DefinitionVersion::new(2),
        step: id("score"),
        kind,
        destination: destination.parse().unwrap(),
        input: every_value(),
        purpose: "service".to_owned(),
        due_at: Some(at(85)),
        send_by: Some(at(90)),
    }))
}

fn overdue(escalated_to: Option<&str>) -> EventBody {
    EventBody::TaskOverdue {
        instance: instance(),
        effect: Sequence::new(6),
        due_at: at(85),
        escalated_to: escalated_to.map(|text| text.parse().unwrap()),
    }
}

fn accepted() -> EventBody {
    EventBody::EventAccepted {
        fingerprint: Some(Fingerprint::from_bytes([0x5a; 16])),
        event: event(),
        raised_by: Some(instance()),
        mode: IngestMode::History,
        feeds: vec![Feed {
            aggregate: AggregateId::new(0x0102_0304_0506_0708),
            window_max: Some(TimeSpan::from_days(30)),
            amount_nanos: -29_990_000_000,
        }],
    }
}

fn profile_facts() -> Vec<(&'static str, EventBody)> {
    vec![
        (
            "customer_born",
            EventBody::CustomerBorn {
                birth: BirthIndex::new(13),
            },
        ),
        ("event_accepted", accepted()),
        (
            "trait_changed",
            EventBody::TraitChanged {
                name: "city".to_owned(),
                value: every_value().remove("map"),
            },
        ),
        (
            "lifecycle_changed",
            EventBody::LifecycleChanged {
                stage: Some("won".to_owned()),
            },
        ),
    ]
}

fn entry_facts() -> Vec<(&'static str, EventBody)> {
    let key = Some("k".to_owned());
    vec![
        ("instance_entered", entered(Entrance::Event(event()))),
        (
            "instance_enrolled",
            entered(Entrance::Enrolled(enrollment())),
        ),
        (
            "enrollment_accepted",
            EventBody::EnrollmentAccepted {
                fingerprint: Fingerprint::from_bytes([6; 16]),
                journey: id("cart"),
            },
        ),
        (
            "entry_refused",
            EventBody::EntryRefused {
                journey: id("cart"),
                version: DefinitionVersion::new(2),
                reason: "min_gap".to_owned(),
            },
        ),
        (
            "entry_queued",
            EventBody::EntryQueued {
                journey: id("cart"),
                key: key.clone(),
                entry: Entrance::Event(event()),
                n_dropped: 1,
            },
        ),
        (
            "entry_dequeued",
            EventBody::EntryDequeued {
                journey: id("cart"),
                key,
            },
        ),
    ]
}

fn moving_facts() -> Vec<(&'static str, EventBody)> {
    let due = Departure::AlreadyDue {
        branch_idx: Some(1),
        due_at: at(10),
    };
    vec![
        ("step_moved_done", moved(Departure::Done)),
        ("step_moved_skipped", moved(Departure::Skipped)),
        ("step_moved_timed_out", moved(Departure::TimedOut)),
        ("step_moved_branch", moved(Departure::Branch(3))),
        ("step_moved_already_due", moved(due)),
        (
            "step_moved_failed",
            moved(Departure::Failed("x".to_owned())),
        ),
        (
            "step_moved_refused",
            moved(Departure::Refused("y".to_owned())),
        ),
        (
            "rested",
            EventBody::Rested {
                instance: InstanceNumber::new(4),
                rest: rest(),
            },
        ),
        ("timer_fired_delay", fired(TimerKind::Delay)),
        ("timer_fired_branch", fired(TimerKind::Branch(1))),
        ("timer_fired_step_timeout", fired(TimerKind::StepTimeout)),
        ("timer_fired_recheck", fired(TimerKind::Recheck)),
        ("timer_fired_sla", fired(TimerKind::Sla)),
        (
            "branch_foreseen",
            EventBody::BranchForeseen {
                instance: InstanceNumber::new(4),
                step: id("wait"),
                branch_idx: 2,
            },
        ),
        (
            "var_changed",
            EventBody::VarChanged {
                instance: InstanceNumber::new(4),
                name: "n".to_owned(),
                value: every_value().remove("price"),
            },
        ),
    ]
}

fn ending_facts() -> Vec<(&'static str, EventBody)> {
    vec![
        (
            "goal_reached",
            EventBody::GoalReached {
                instance: instance(),
                goal: "bought".to_owned(),
            },
        ),
        (
            "instance_parked",
            EventBody::InstanceParked {
                instance: instance(),
                reason: "no such content".to_owned(),
            },
        ),
        ("instance_ended_completed", ended(Ending::Completed)),
        (
            "instance_ended_goal",
            ended(Ending::Goal("bought".to_owned())),
        ),
        (
            "instance_ended_exited",
            ended(Ending::Exited("left".to_owned())),
        ),
    ]
}

fn effect_facts() -> Vec<(&'static str, EventBody)> {
    let reason = "no such address".to_owned();
    let failed_for_now = Outcome::FailedForNow {
        reason: reason.clone(),
        retry_at: at(95),
    };
    vec![
        ("message_granted", granted()),
        (
            "message_refused",
            EventBody::MessageRefused {
                instance: instance(),
                content: id("cart/reminder"),
                reason: "unreachable".to_owned(),
            },
        ),
        ("call_emitted", work_emitted(WorkKind::Call, "webhook:crm")),
        ("task_emitted", work_emitted(WorkKind::Task, "queue:care")),
        ("task_overdue", overdue(None)),
        ("task_escalated", overdue(Some("queue:care_leads"))),
        (
            "effect_claimed",
            EventBody::EffectClaimed {
                effect: Sequence::new(6),
                attempt: 2,
                until: at(95),
                worker: "w-1".to_owned(),
            },
        ),
        (
            "effect_withdrawn",
            EventBody::EffectWithdrawn {
                effect: Sequence::new(6),
                reason: "too_late".to_owned(),
            },
        ),
        ("effect_settled_sent", settled(Outcome::Sent)),
        ("effect_settled_delivered", settled(Outcome::Delivered)),
        (
            "effect_settled_completed",
            settled(Outcome::Completed {
                result: Value::Map(every_value()),
            }),
        ),
        (
            "effect_settled_for_good",
            settled(Outcome::FailedForGood { reason }),
        ),
        ("effect_settled_for_now", settled(failed_for_now)),
        (
            "effect_settled_returned",
            settled(Outcome::Returned { retry_at: None }),
        ),
        (
            "effect_settled_returned_again",
            settled(Outcome::Returned {
                retry_at: Some(at(99)),
            }),
        ),
    ]
}

pub(super) fn quarantined() -> QuarantinedCommand {
    QuarantinedCommand {
        kind: "ingest".to_owned(),
        event: Some(event()),
        enrollment: Some(enrollment()),
        mode: IngestMode::History,
        reason: "index out of bounds".to_owned(),
        since: at(64),
        size_bytes: 320,
    }
}

fn set_aside_facts() -> Vec<(&'static str, EventBody)> {
    let closed = |what, how| EventBody::SetAsideClosed {
        what,
        how,
        size_bytes: 480,
    };
    let letter = SetAside::DeadLetter(Sequence::new(5));
    let command = SetAside::Command(Sequence::new(39));
    vec![
        (
            "effect_dead_lettered",
            EventBody::EffectDeadLettered {
                effect: Sequence::new(5),
                reason: "busy".to_owned(),
                size_bytes: 480,
            },
        ),
        (
            "command_quarantined",
            EventBody::CommandQuarantined(Box::new(quarantined())),
        ),
        (
            "customer_parked",
            EventBody::CustomerParked {
                reason: "index out of bounds".to_owned(),
            },
        ),
        ("customer_released", EventBody::CustomerReleased),
        ("dead_letter_replayed", closed(letter, Closing::Replayed)),
        ("dead_letter_discarded", closed(letter, Closing::Discarded)),
        ("dead_letter_settled", closed(letter, Closing::Settled)),
        ("command_expired", closed(command, Closing::Expired)),
    ]
}

/// One fact of every kind, by name.
pub(super) fn facts() -> Vec<(&'static str, EventBody)> {
    let raised = RaisedEvent {
        depth: 2,
        event: event(),
        raised_by: instance(),
    };
    let mut facts = profile_facts();
    facts.extend(entry_facts());
    facts.extend(moving_facts());
    facts.extend(ending_facts());
    facts.extend(effect_facts());
    facts.extend(set_aside_facts());
    facts.push((
        "turn_paused",
        EventBody::TurnPaused {
            round: 1,
            events: vec![raised],
            instances: vec![(2, InstanceNumber::new(4))],
        },
    ));
    facts.push(("turn_resumed", EventBody::TurnResumed));
    facts
}
