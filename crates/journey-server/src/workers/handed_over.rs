//! A hand-over in the wire form.

use journey_customer::EffectBody;
use journey_partition::HandOver;
use journey_proto::v1 as wire;
use journey_types::{Destination, EffectId, EffectOrigin};

use crate::convert::{struct_from_map, timestamp_to_wire};

/// The effect as its worker gets it.
pub(super) fn effect_to_wire(origin: EffectOrigin, hand_over: HandOver) -> wire::Effect {
    let HandOver { customer, row, .. } = hand_over;
    let until = match row.status {
        journey_customer::EffectStatus::Claimed { until } => Some(timestamp_to_wire(until)),
        journey_customer::EffectStatus::Open | journey_customer::EffectStatus::Retrying { .. } => {
            None
        }
    };
    let effect_id = EffectId {
        origin,
        customer: customer.clone(),
        birth: row.birth,
        sequence: row.effect,
        ordinal: 0,
    };
    let effect = wire::Effect {
        effect_id: effect_id.to_string(),
        kind: row.kind().to_owned(),
        workspace: customer.workspace.to_string(),
        customer_id: customer.customer.to_string(),
        journey: row.journey.to_string(),
        version: row.version.get(),
        step: row.step.to_string(),
        purpose: row.purpose.clone(),
        created_at: Some(timestamp_to_wire(row.created_at)),
        attempt: row.attempt,
        until,
        send_by: row.send_by.map(timestamp_to_wire),
        instance: row.instance.get(),
        ..wire::Effect::default()
    };
    let effect = match row.destination {
        Destination::Channel(channel) => wire::Effect {
            channel: channel.to_string(),
            ..effect
        },
        Destination::Queue(queue) => wire::Effect {
            queue: queue.to_string(),
            ..effect
        },
        // No worker stream subscribes to connectors.
        Destination::Connector(_) => effect,
    };
    match row.body {
        EffectBody::Message(message) => wire::Effect {
            content: message.content.to_string(),
            content_version: message.content_version.get(),
            locale: message.locale.unwrap_or_default(),
            rendered: message.rendered,
            why: message.why,
            ..effect
        },
        EffectBody::Work(work) => wire::Effect {
            input: Some(struct_from_map(&work.input)),
            due_at: work.due_at.map(timestamp_to_wire),
            ..effect
        },
    }
}
