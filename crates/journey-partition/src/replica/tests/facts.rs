//! Draws facts that a leader could have decided: each fits the state before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{
    ArmedTimer, Closing, CustomerState, Departure, EffectStatus, Ending, Entrance, EventBody, Feed,
    IngestMode, InstanceEntered, InstanceRef, JournalEvent, MessageGranted, Outcome,
    QuarantinedCommand, Rest, SetAside, TimerKind,
};
use journey_types::{
    AggregateId, BirthIndex, Channel, ContentId, ContentVersion, CustomerEvent, CustomerKey,
    DefinitionVersion, EventId, EventName, Fingerprint, JourneyId, SourceName, StepId, TimeSpan,
    Timestamp, Value,
};

/// Splitmix64: every seed gives well-mixed numbers.
#[derive(Debug, Clone)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn idx(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }
}

/// Applies what it draws, so that the next fact fits.
pub(super) fn draw_turn(
    state: &mut CustomerState,
    stamp: Timestamp,
    draw: &mut Draw,
) -> Vec<JournalEvent> {
    let mut events = Vec::new();
    let n_facts = 1 + draw.below(5);
    while (events.len() as u64) < n_facts {
        let body = if state.last_sequence.get() == 0 {
            EventBody::CustomerBorn {
                birth: BirthIndex::new(draw.next() >> 8),
            }
        } else {
            draw_body(state, stamp, draw)
        };
        let event = JournalEvent {
            sequence: state.last_sequence.next(),
            stamp,
            body,
        };
        journey_customer::apply(state, &event);
        events.push(event);
    }
    events
}

fn draw_body(state: &CustomerState, stamp: Timestamp, draw: &mut Draw) -> EventBody {
    if state.paused_turn.is_some() {
        return EventBody::TurnResumed;
    }
    match draw.below(14) {
        0..=2 => accepted(state, stamp, draw),
        3 => EventBody::TraitChanged {
            name: format!("trait_{}", draw.below(40)),
            value: (draw.below(4) > 0).then(|| Value::Text(text(9_000, draw))),
        },
        4 => EventBody::LifecycleChanged {
            stage: (draw.below(2) > 0).then(|| format!("stage_{}", draw.below(3))),
        },
        5 if state.instances.len() < 6 => entered(state, stamp, draw),
        6..=8 => about_instance(state, stamp, draw).unwrap_or_else(|| entered(state, stamp, draw)),
        9 => EventBody::TurnPaused {
            round: 1,
            events: Vec::new(),
            instances: Vec::new(),
        },
        10 => about_set_aside(state, stamp, draw).unwrap_or_else(|| accepted(state, stamp, draw)),
        11 => granted(state, draw).unwrap_or_else(|| entered(state, stamp, draw)),
        _ => about_effect(state, stamp, draw).unwrap_or_else(|| accepted(state, stamp, draw)),
    }
}

/// Mostly short, sometimes longer than a row.
fn text(n_bytes_max: usize, draw: &mut Draw) -> String {
    let is_long = draw.below(6) == 0;
    "x".repeat(draw.idx(if is_long { n_bytes_max } else { 60 }))
}

fn journey(draw: &mut Draw) -> (JourneyId, DefinitionVersion) {
    let id = JourneyId::new(["welcome", "cart", "winback"][draw.idx(3)]).unwrap();
    let version = DefinitionVersion::new(1 + u32::try_from(draw.below(2)).unwrap());
    (id, version)
}

fn step(draw: &mut Draw) -> StepId {
    StepId::new(["wait", "remind", "thank"][draw.idx(3)]).unwrap()
}

fn event(customer: &CustomerKey, stamp: Timestamp, draw: &mut Draw) -> Arc<CustomerEvent> {
    Arc::new(CustomerEvent {
        customer: customer.clone(),
        source: SourceName::new("default").unwrap(),
        id: EventId::new(format!("event-{:x}", draw.next())).unwrap(),
        name: EventName::new("cart_added").unwrap(),
        occurred_at: stamp.minus(TimeSpan::from_ms(i64::try_from(draw.below(5_000)).unwrap())),
        channel: None,
        device: None,
        properties: BTreeMap::from([(
            "sku".to_owned(),
            Value::Int(i64::try_from(draw.below(99)).unwrap()),
        )]),
    })
}

pub(super) fn accepted(state: &CustomerState, stamp: Timestamp, draw: &mut Draw) -> EventBody {
    let event = event(&state.key, stamp, draw);
    let feeds = (0..draw.below(3)).map(|_| Feed {
        aggregate: AggregateId::new(draw.below(4)),
        window_max: (draw.below(2) > 0).then(|| TimeSpan::from_days(30)),
        amount_nanos: i128::from(draw.next()),
    });
    let feeds = feeds.collect();
    EventBody::EventAccepted {
        fingerprint: (draw.below(5) > 0).then(|| {
            let halves = [draw.next(), draw.next()].map(u64::to_be_bytes);
            Fingerprint::from_bytes(halves.concat().try_into().unwrap())
        }),
        event,
        raised_by: None,
        mode: IngestMode::Live,
        feeds,
    }
}

fn entered(state: &CustomerState, stamp: Timestamp, draw: &mut Draw) -> EventBody {
    let (journey, version) = journey(draw);
    EventBody::InstanceEntered(Box::new(InstanceEntered {
        instance: state.next_instance,
        journey,
        version,
        key: (draw.below(2) > 0).then(|| format!("key_{}", draw.below(3))),
        step: step(draw),
        entry: Entrance::Event(event(&state.key, stamp, draw)),
        goals: BTreeMap::from([("bought".to_owned(), None)]),
        remembered_until: (draw.below(2) > 0).then_some(Timestamp::MAX),
    }))
}

fn about_instance(state: &CustomerState, stamp: Timestamp, draw: &mut Draw) -> Option<EventBody> {
    let nth = draw.idx(state.instances.len().max(1));
    let instance = state.instances.values().nth(nth)?;
    let names = InstanceRef {
        number: instance.number,
        journey: instance.journey.clone(),
        version: instance.version,
    };
    let timers = (0..draw.below(3)).map(|n| ArmedTimer {
        // Some so far ahead that their rows do not move with them.
        due_at: stamp.plus(TimeSpan::from_ms(
            i64::try_from(
                draw.below(100_000) + draw.below(8).min(1) * draw.below(60 * 24 * 3_600_000),
            )
            .unwrap(),
        )),
        kind: TimerKind::Branch(u16::try_from(n).unwrap()),
    });
    let timers = timers.collect();
    Some(match draw.below(5) {
        0 => EventBody::InstanceEnded {
            instance: names,
            entered_at: instance.entered_at,
            left: Some(instance.step.clone()),
            was_parked: instance.parked.is_some(),
            ending: Ending::Exited("tired".to_owned()),
        },
        1 => EventBody::StepMoved {
            instance: names,
            from: instance.step.clone(),
            how: Departure::Done,
            to: Some(step(draw)),
        },
        2 => EventBody::VarChanged {
            instance: instance.number,
            name: format!("var_{}", draw.below(5)),
            value: Some(Value::Int(7)),
        },
        _ => EventBody::Rested {
            instance: instance.number,
            rest: Rest {
                timers,
                ..Rest::default()
            },
        },
    })
}

fn granted(state: &CustomerState, draw: &mut Draw) -> Option<EventBody> {
    let instance = state.instances.values().next()?;
    let text = text(6_000, draw);
    Some(EventBody::MessageGranted(Box::new(MessageGranted {
        instance: instance.number,
        journey: instance.journey.clone(),
        version: instance.version,
        step: instance.step.clone(),
        channel: Channel::new("email").unwrap(),
        content: ContentId::new("reminder").unwrap(),
        content_version: ContentVersion::new(1),
        locale: None,
        rendered: BTreeMap::from([("body".to_owned(), text)]),
        why: "because".to_owned(),
        purpose: "marketing".to_owned(),
        send_by: None,
        failed_channels: Vec::new(),
        fallback: None,
    })))
}

fn about_set_aside(state: &CustomerState, stamp: Timestamp, draw: &mut Draw) -> Option<EventBody> {
    let letter = state.dead_letters.iter().next();
    let command = state.quarantined.iter().next();
    let how = match draw.below(3) {
        0 => Closing::Replayed,
        1 => Closing::Discarded,
        _ => Closing::Expired,
    };
    match (letter, command, draw.below(3)) {
        (Some((effect, letter)), _, 0) => Some(EventBody::SetAsideClosed {
            what: SetAside::DeadLetter(*effect),
            how,
            size_bytes: letter.size_bytes,
        }),
        (_, Some((entry, command)), 1) => Some(EventBody::SetAsideClosed {
            what: SetAside::Command(*entry),
            how,
            size_bytes: command.size_bytes,
        }),
        (_, _, 2) => Some(EventBody::CommandQuarantined(Box::new(
            QuarantinedCommand {
                kind: "timer".to_owned(),
                event: None,
                enrollment: None,
                mode: IngestMode::Live,
                reason: text(300, draw),
                since: stamp,
                size_bytes: 300,
            },
        ))),
        (_, _, _) => None,
    }
}

fn about_effect(state: &CustomerState, stamp: Timestamp, draw: &mut Draw) -> Option<EventBody> {
    let row = state.outbox.values().next()?;
    let until = stamp.plus(TimeSpan::from_secs(30));
    Some(match (&row.status, draw.below(3)) {
        (EffectStatus::Claimed { .. }, 0) => EventBody::EffectSettled {
            effect: row.effect,
            attempt: row.attempt,
            outcome: Outcome::FailedForNow {
                reason: "busy".to_owned(),
                retry_at: until,
            },
        },
        (EffectStatus::Claimed { .. }, _) => EventBody::EffectSettled {
            effect: row.effect,
            attempt: row.attempt,
            outcome: Outcome::Sent,
        },
        (_, 0) if row.attempt > 1 => EventBody::EffectDeadLettered {
            effect: row.effect,
            reason: "busy".to_owned(),
            size_bytes: 100 + row.attempt,
        },
        (_, 0) => EventBody::EffectWithdrawn {
            effect: row.effect,
            reason: "late".to_owned(),
        },
        (_, _) => EventBody::EffectClaimed {
            effect: row.effect,
            attempt: row.attempt + 1,
            until,
            worker: "w1".to_owned(),
        },
    })
}
