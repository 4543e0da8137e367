//! What is sent to a partition's actor.

use journey_customer::Command;
use journey_types::CustomerKey;
use tokio::sync::{mpsc, oneshot};

use super::door::Permit;
use crate::core::{
    Answer, ConfirmationId, HandOver, Input, PartitionStatus, ProposalId, QuarantinedCommand,
    Refusal, SubmissionOrder, Subscription, WorkerId,
};
use crate::journal::ProposeResult;

/// One message: never one per event, always one per request and partition.
#[derive(Debug)]
pub(super) enum PartitionMessage {
    /// Commands of one request.
    Submit {
        commands: Vec<(CustomerKey, Command)>,
        order: Option<SubmissionOrder>,
        answers: oneshot::Sender<Vec<Answer>>,
        /// Held until the answers are out: this is what bounds the mailbox.
        permit: Permit,
    },
    /// A linearizable read.
    Read(oneshot::Sender<Result<(), Refusal>>),
    /// What became of a proposal.
    Proposed {
        proposal: ProposalId,
        result: ProposeResult,
    },
    /// The answer to a request for proof of leadership.
    Confirmed {
        confirmation: ConfirmationId,
        leads: bool,
    },
    /// A worker stream opened.
    Subscribe {
        subscription: Subscription,
        hand_overs: mpsc::Sender<HandOver>,
    },
    /// A worker stream closed.
    Unsubscribe(WorkerId),
    /// Anything that goes to the core as it is: leadership, catalogs, credit, wake-ups, operators' words.
    Input(Box<Input>),
    /// The state at a glance.
    Status(oneshot::Sender<PartitionStatus>),
    /// Commands whose deciding panicked.
    Quarantine(oneshot::Sender<Vec<QuarantinedCommand>>),
}
