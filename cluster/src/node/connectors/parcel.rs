//! An effect as the receiver of a webhook gets it, and an attempt's verdict as the customer actor takes it.

use journey_customer::{Command, OutboxRow, Outcome};
use journey_delivery::{Delivery, Verdict};
use journey_partition::HandOver;
use journey_types::{EffectId, EffectOrigin, TimeSpan, Timestamp};

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
    Delivery {
        effect_id: effect_id.to_string(),
        attempt: row.attempt,
        kind: "message",
        channel: Some(row.channel.to_string()),
        workspace: customer.workspace.to_string(),
        customer_id: customer.customer.to_string(),
        journey: row.journey.to_string(),
        version: row.version.get(),
        step: row.step.to_string(),
        instance: row.instance.get(),
        content: Some(row.content.to_string()),
        content_version: Some(row.content_version.get()),
        rendered: row.rendered.clone(),
        input: None,
        why: row.why.clone(),
        purpose: row.purpose.clone(),
        created_at: row.created_at,
        send_by: row.send_by,
    }
}

/// The command that tells the customer what became of the effect.
pub(super) fn settle_command(row: &OutboxRow, verdict: Verdict, now: Timestamp) -> Command {
    let outcome = match verdict {
        Verdict::Delivered { .. } => Outcome::Sent,
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
