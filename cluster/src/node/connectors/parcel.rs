//! An effect as the receiver of a webhook gets it, and an attempt's verdict as the customer actor takes it.

use journey_customer::{Command, EffectBody, OutboxRow, Outcome};
use journey_delivery::{Delivery, Verdict, json_from_value};
use journey_partition::HandOver;
use journey_types::{EffectId, EffectOrigin, TimeSpan, Timestamp, Value};

/// The body of the request.
pub(super) fn delivery_of(origin: EffectOrigin, hand_over: &HandOver) -> Delivery {
    let HandOver { customer, row, .. } = hand_over;
    let effect_id = EffectId {
        origin,
        customer: customer.clone(),
        birth: row.birth,
        sequence: row.effect,
        ordinal: 0,
    };
    let delivery = Delivery {
        effect_id: effect_id.to_string(),
        attempt: row.attempt,
        kind: row.kind(),
        channel: row.destination.channel().map(ToString::to_string),
        workspace: customer.workspace.to_string(),
        customer_id: customer.customer.to_string(),
        journey: row.journey.to_string(),
        version: row.version.get(),
        step: row.step.to_string(),
        instance: row.instance.get(),
        content: None,
        content_version: None,
        rendered: std::collections::BTreeMap::new(),
        input: None,
        why: String::new(),
        purpose: row.purpose.clone(),
        created_at: row.created_at,
        send_by: row.send_by,
    };
    match &row.body {
        EffectBody::Message(message) => Delivery {
            content: Some(message.content.to_string()),
            content_version: Some(message.content_version.get()),
            rendered: message.rendered.clone(),
            why: message.why.clone(),
            ..delivery
        },
        EffectBody::Work(work) => Delivery {
            input: Some(json_from_value(&Value::Map(work.input.clone()))),
            ..delivery
        },
    }
}

/// The command that tells the customer what became of the effect.
pub(super) fn settle_command(row: &OutboxRow, verdict: Verdict, now: Timestamp) -> Command {
    let outcome = match verdict {
        Verdict::Delivered { result: None } => Outcome::Sent,
        Verdict::Delivered {
            result: Some(result),
        } => Outcome::Completed { result },
        Verdict::FailedForGood { reason } => Outcome::FailedForGood { reason },
        Verdict::FailedForNow {
            reason,
            retry_after,
        } => Outcome::FailedForNow {
            reason,
            // The partition takes the later of this and its own backoff.
            retry_at: now.plus(retry_after.unwrap_or(TimeSpan::ZERO)),
        },
    };
    Command::Settle {
        birth: row.birth,
        effect: row.effect,
        attempt: row.attempt,
        outcome,
    }
}
