//! An effect on its way to whoever takes it, given back where it does not get there.
//!
//! Its claim is applied, so without this it would wait until the claim runs out, and so would whatever stands behind it in
//! its channel. It is given back only where nothing of it was written: bytes that were may have reached a worker, whose
//! claim holds then however its stream ended.

use std::sync::Arc;
use std::time::Duration;

use journey_customer::{Command, EffectStatus, Outcome};
use journey_partition::HandOver;
use journey_proto::v1 as wire;
use journey_types::Timestamp;
use journey_wire::timestamp_from_wire;

use super::credit::Attempt;
use super::settle::{SettledOne, effect_of};
use crate::limits::RETRY_AFTER_DEFAULT;
use crate::node::Node;

/// Gives an effect back when it is dropped, unless it was sent.
#[derive(Debug)]
#[must_use = "dropping it gives the effect back"]
pub struct Unsent {
    back: Option<(Arc<Node>, Attempt, Timestamp)>,
}

impl Unsent {
    /// An effect that this node's partition handed over.
    pub fn of_hand_over(node: &Arc<Node>, hand_over: &HandOver) -> Self {
        let until = match hand_over.row.status {
            EffectStatus::Claimed { until } => until,
            // A hand-over is always of a claim; one that is none is not given back.
            EffectStatus::Open | EffectStatus::Retrying { .. } => Timestamp::EPOCH,
        };
        Self {
            back: Some((Arc::clone(node), Attempt::of(hand_over), until)),
        }
    }

    /// An effect that another node handed over.
    pub(super) fn of_effect(node: &Arc<Node>, effect: &wire::Effect) -> Self {
        let until = effect.until.as_ref().map(timestamp_from_wire);
        let id = effect_of(node, &effect.effect_id).ok();
        let back = id.zip(until).map(|(id, until)| {
            let attempt = Attempt {
                customer: id.customer,
                birth: id.birth,
                effect: id.sequence,
                attempt: effect.attempt,
            };
            (Arc::clone(node), attempt, until)
        });
        Self { back }
    }

    /// It is written from now on: what becomes of it is for whoever reads it to say.
    pub fn is_sent(mut self) {
        self.back = None;
    }

    /// One that is not given back.
    #[cfg(test)]
    pub(super) const fn of_nothing() -> Self {
        Self { back: None }
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        let Some((node, attempt, until)) = self.back.take() else {
            return;
        };
        // Without a runtime the node is going down, and its claims run out.
        if tokio::runtime::Handle::try_current().is_ok() {
            let tasks = node.tasks().clone();
            tasks.spawn(give_back(node, attempt, until));
        }
    }
}

/// Says so until it is recorded, or the claim has run out.
async fn give_back(node: Arc<Node>, attempt: Attempt, until: Timestamp) {
    let command = Command::Settle {
        birth: attempt.birth,
        effect: attempt.effect,
        attempt: attempt.attempt,
        outcome: Outcome::Returned { retry_at: None },
    };
    let mut pause = PAUSE_FIRST;
    while node.now() < until {
        match node.settle_one(&attempt.customer, command.clone()).await {
            SettledOne::Refused { retry: true } => {}
            SettledOne::Recorded | SettledOne::Rejected(_) | SettledOne::Refused { .. } => return,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// The pause before it is said again: about an election.
const PAUSE_FIRST: Duration = RETRY_AFTER_DEFAULT;
/// The longest of these pauses: short against a claim.
const PAUSE_MAX: Duration = Duration::from_secs(2);
