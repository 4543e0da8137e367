//! One attempt: delivers an effect, then settles it until the partition has taken the outcome.

use std::sync::Arc;
use std::time::Duration;

use journey_customer::{Command, EffectStatus};
use journey_delivery::{AttemptClass, Webhook};
use journey_partition::HandOver;
use journey_server::{Node, SettledOne};
use journey_types::{CustomerKey, Timestamp};

use super::parcel::{delivery_of, settle_command};

/// The pause before an outcome is submitted again; doubles up to [`SETTLE_PAUSE_MAX`].
const SETTLE_PAUSE_FIRST: Duration = Duration::from_millis(20);
/// The longest of these pauses: short against the claim, so that several attempts fit.
const SETTLE_PAUSE_MAX: Duration = Duration::from_millis(500);

/// How an attempt went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) class: AttemptClass,
    pub(super) is_settled: bool,
}

/// Delivers and settles.
pub(super) async fn carry_out(
    node: Arc<Node>,
    webhook: Arc<Webhook>,
    hand_over: HandOver,
) -> Ended {
    let delivery = delivery_of(node.origin(), &hand_over);
    let attempt = webhook.deliver(&delivery, node.now()).await;
    let class = attempt.class;
    tracing::debug!(
        class = class.name(),
        attempt = hand_over.row.attempt,
        "delivery attempt ended"
    );
    let until = match hand_over.row.status {
        EffectStatus::Claimed { until } => until,
        // A hand-over is always of a claim; without one there is nothing to wait for.
        EffectStatus::Open | EffectStatus::Retrying { .. } => Timestamp::EPOCH,
    };
    let command = settle_command(&hand_over.row, attempt.verdict, node.now());
    let is_settled = settle(&node, &hand_over.customer, command, until).await;
    Ended { class, is_settled }
}

/// Submits the outcome until it is answered for good, or the claim has run out: then the effect comes again.
async fn settle(node: &Node, customer: &CustomerKey, command: Command, until: Timestamp) -> bool {
    let mut pause = SETTLE_PAUSE_FIRST;
    loop {
        match node.settle_one(customer, command.clone()).await {
            SettledOne::Recorded => return true,
            SettledOne::Rejected(rejection) => {
                tracing::warn!(rejection, "an outcome was rejected");
                return true;
            }
            SettledOne::Refused { retry: false } => return false,
            SettledOne::Refused { retry: true } => {}
        }
        if node.now() >= until {
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SETTLE_PAUSE_MAX);
    }
}
