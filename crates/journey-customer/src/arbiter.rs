//! The arbiter: one customer, many journeys, one decision over everything they want to say (JOURNEYS section 7).
//!
//! Never changes anything: it rules over a round of intents, and the turn carries the rulings out.
//!
//! ```text
//!   open intents of a turn ──► rules in order, each narrows the channels or refuses ──► one ruling per intent
//! ```
//!
//! Start at [`rule`]. A new rule (caps, quiet hours, priority …) is a function in [`RULES`], at its place in the order.

mod channel;
mod consent;

use std::sync::Arc;

use journey_model::{Catalog, MessageStep, Plan, Step};
use journey_types::{Channel, Sequence};

use crate::event::InstanceRef;
use crate::state::{CustomerState, FallbackScope};

/// A message that a step asks for.
#[derive(Debug, Clone)]
pub(crate) struct Intent<'a> {
    /// Who asks; it may have ended when a channel failed later.
    pub(crate) instance: InstanceRef,
    /// Its journey's version.
    pub(crate) plan: &'a Plan,
    /// At which step.
    pub(crate) step: &'a Step,
    /// What it asks for.
    pub(crate) message: &'a MessageStep,
    /// What the message sees of its instance.
    pub(crate) scope: Arc<FallbackScope>,
    /// Channels that failed for good for this intent.
    pub(crate) failed_channels: Vec<Channel>,
    /// How it came about.
    pub(crate) origin: IntentOrigin,
    /// How many raised events led to it.
    pub(crate) depth: u8,
}

/// How an intent came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntentOrigin {
    /// An instance came to a message step and waits there for the ruling.
    Step,
    /// A channel failed for good, and the next one is asked for.
    Fallback {
        /// The effect that failed.
        of: Sequence,
    },
}

impl Intent<'_> {
    /// Whether the instance stands at the step until this is ruled on.
    pub(crate) fn holds_its_instance(&self) -> bool {
        self.origin == IntentOrigin::Step
    }
}

/// What the arbiter looks at.
pub(crate) struct Round<'r> {
    /// The customer.
    pub(crate) state: &'r CustomerState,
    /// The adopted catalog.
    pub(crate) catalog: &'r Catalog,
    /// All open intents, in order of instance number.
    pub(crate) intents: &'r [Intent<'r>],
}

/// What becomes of one intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// It goes out.
    Grant {
        /// On this channel.
        channel: Channel,
        /// For these reasons, for people.
        why: String,
        /// Channels left to try should this one fail for good.
        rest: Vec<Channel>,
    },
    /// It does not, for this reason.
    Refuse(&'static str),
}

/// An intent on its way through the rules.
struct Draft {
    /// Channels still possible, best first.
    channels: Vec<Channel>,
    /// Reasons gathered so far.
    why: Vec<String>,
}

/// Narrows a draft, or refuses its intent.
type Rule = fn(&Round<'_>, &Intent<'_>, &mut Draft) -> Result<(), &'static str>;

/// In the order of JOURNEYS section 7.
const RULES: [Rule; 2] = [consent::covers_purpose, channel::is_available];

/// Rules on every intent of the round, in order.
pub(crate) fn rule(round: &Round<'_>) -> Vec<Ruling> {
    let intents = round.intents.iter();
    intents.map(|intent| rule_on(round, intent)).collect()
}

fn rule_on(round: &Round<'_>, intent: &Intent<'_>) -> Ruling {
    let mut draft = Draft {
        channels: intent.message.channels.clone(),
        why: Vec::new(),
    };
    for rule in RULES {
        if let Err(reason) = rule(round, intent, &mut draft) {
            return Ruling::Refuse(reason);
        }
    }
    let mut channels = draft.channels.into_iter();
    match channels.next() {
        Some(channel) => Ruling::Grant {
            channel,
            why: draft.why.join("; "),
            rest: channels.collect(),
        },
        None => Ruling::Refuse("unreachable"),
    }
}

#[cfg(test)]
mod tests;
