//! Outcomes of effects: each recorded in the partition of its customer, here or one hop away, and answered.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use journey_customer::{Command, Outcome as CustomerOutcome, Reply};
use journey_partition::Answer;
use journey_proto::v1 as wire;
use journey_proto::v1::outcome::Result as OutcomeKind;
use journey_proto::v1::outcome_result::Status as OutcomeStatus;
use journey_proto::v1::worker_service_client::WorkerServiceClient;
use journey_types::limits::{VALUE_DEPTH_MAX, VARS_SIZE_BYTES_MAX};
use journey_types::{CustomerKey, EffectId, PartitionId, TimeSpan, Timestamp, Value};
use journey_wire::value_to_wire;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::credit::Attempt;
use super::settlements::Place;
use crate::convert::value_from_wire;
use crate::error::ServerError;
use crate::limits::{HOP_ANSWER_SIZE_BYTES_MAX, OUTCOMES_PER_MESSAGE_MAX};
use crate::node::{Commands, Node, Submitted};
use crate::router::{Hop, Leader, Target, hop_request, reason_of};
use crate::set_aside::id_text;

/// What became of outcomes.
pub(super) struct Settled {
    /// In their order.
    pub(super) results: Vec<wire::OutcomeResult>,
    /// Those that need no other outcome.
    pub(super) answered: Vec<Attempt>,
}

/// Outcomes by where they are recorded; each with its position.
#[derive(Default)]
struct Sorted {
    here: BTreeMap<PartitionId, (Vec<usize>, Commands)>,
    there: BTreeMap<Leader, Share>,
}

/// What another node records.
#[derive(Default)]
struct Share {
    partitions: BTreeSet<PartitionId>,
    positions: Vec<usize>,
    outcomes: Vec<wire::Outcome>,
}

/// Records outcomes, each on the partition of its customer, and answers them in their order.
pub(super) async fn settle(
    node: &Node,
    hop: &Hop,
    outcomes: Vec<wire::Outcome>,
) -> Result<Settled, ServerError> {
    check_number(&outcomes)?;
    Ok(settle_each(node, hop, outcomes).await)
}

/// Refuses a message that holds more outcomes than it may.
pub(super) fn check_number(outcomes: &[wire::Outcome]) -> Result<(), ServerError> {
    if outcomes.len() > OUTCOMES_PER_MESSAGE_MAX {
        let text = format!(
            "holds {}, at most {OUTCOMES_PER_MESSAGE_MAX} are allowed",
            outcomes.len()
        );
        return Err(ServerError::invalid("outcomes", text));
    }
    Ok(())
}

/// Where an outcome is recorded.
pub(super) fn place_of(node: &Node, outcome: &wire::Outcome) -> Place {
    let effect = effect_of(node, &outcome.effect_id).ok()?;
    Some(node.partition_of(&effect.customer))
}

/// The same of as many as are allowed.
pub(super) async fn settle_each(node: &Node, hop: &Hop, outcomes: Vec<wire::Outcome>) -> Settled {
    let mut results: Vec<wire::OutcomeResult> = outcomes.iter().map(unsettled).collect();
    let mut attempts: Vec<Option<Attempt>> = vec![None; outcomes.len()];
    let mut sorted = Sorted::default();
    for (position, outcome) in outcomes.into_iter().enumerate() {
        match read(node, &outcome) {
            Ok((attempt, command)) => {
                let customer = attempt.customer.clone();
                let partition = node.partition_of(&customer);
                attempts[position] = Some(attempt);
                match node.target_for(hop, partition) {
                    Ok(Target::Here(_)) => {
                        let share = sorted.here.entry(partition).or_default();
                        share.0.push(position);
                        share.1.push((customer, command));
                    }
                    Ok(Target::There(leader)) => {
                        let share = sorted.there.entry(leader).or_default();
                        share.partitions.insert(partition);
                        share.positions.push(position);
                        share.outcomes.push(outcome);
                    }
                    Ok(Target::Nowhere) => {
                        let refused = node.not_leader(partition);
                        refuse(&mut results[position], not_leader_text(&refused), true);
                    }
                    Err(refused) => {
                        refuse(&mut results[position], not_leader_text(&refused), true);
                    }
                }
            }
            Err(reason) => refuse(&mut results[position], reason, false),
        }
    }
    record(node, sorted, &mut results).await;
    // One that was refused leaves the effect with the worker until its claim expires.
    let is_answered = |result: &wire::OutcomeResult| result.status() != OutcomeStatus::Rejected;
    let answered = results.iter().zip(attempts);
    let answered = answered.filter(|(result, _)| is_answered(result));
    let answered = answered.filter_map(|(_, attempt)| attempt).collect();
    Settled { results, answered }
}

/// Records what was sorted, everywhere at once.
async fn record(node: &Node, sorted: Sorted, results: &mut [wire::OutcomeResult]) {
    let here: Vec<(Vec<usize>, Submitted)> = sorted
        .here
        .into_iter()
        .map(|(partition, (positions, commands))| {
            (positions, node.submit(partition, commands, None))
        })
        .collect();
    let there = join_all(sorted.there.into_iter().map(|(leader, share)| async move {
        let answered = settle_there(node, &leader, &share).await;
        (share.positions, answered)
    }));
    let here = async {
        let mut answered = Vec::with_capacity(here.len());
        for (positions, submitted) in here {
            let answers = submitted.answers(positions.len(), node.answer_max()).await;
            answered.push((positions, answers));
        }
        answered
    };
    let (here, there) = futures::future::join(here, there).await;
    for (positions, answers) in here {
        for (position, answer) in positions.into_iter().zip(answers) {
            let result = &mut results[position];
            let (status, reason, retry) = outcome_status(answer);
            result.status = status.into();
            result.reason = reason;
            result.retry = retry;
        }
    }
    for (positions, answered) in there {
        match answered {
            Ok(answered) if answered.len() == positions.len() => {
                for (position, result) in positions.into_iter().zip(answered) {
                    results[position] = result;
                }
            }
            Ok(_) | Err(_) => {
                let reason = match &answered {
                    Ok(_) => "OUTCOME_UNKNOWN: another node answered another number".to_owned(),
                    Err(status) => unknown_text(status),
                };
                let retry =
                    !matches!(&answered, Err(status) if status.code() == Code::InvalidArgument);
                for position in positions {
                    refuse(&mut results[position], reason.clone(), retry);
                }
            }
        }
    }
}

async fn settle_there(
    node: &Node,
    leader: &Leader,
    share: &Share,
) -> Result<Vec<wire::OutcomeResult>, Status> {
    let request = wire::SettleRequest {
        outcomes: share.outcomes.clone(),
    };
    let call = |channel| {
        let request = hop_request(request.clone(), &[]);
        async move { service(channel).settle(request).await }
    };
    let answered = node.hop_once(leader, &share.partitions, &call).await?;
    for partition in &share.partitions {
        // The next one goes by the table again, should this one have been refused.
        if answered.results.iter().any(|result| result.retry) {
            node.routes().unlearn(*partition);
        }
    }
    Ok(answered.results)
}

pub(super) fn service(channel: Channel) -> WorkerServiceClient<Channel> {
    WorkerServiceClient::new(channel).max_decoding_message_size(HOP_ANSWER_SIZE_BYTES_MAX)
}

fn unsettled(outcome: &wire::Outcome) -> wire::OutcomeResult {
    wire::OutcomeResult {
        effect_id: outcome.effect_id.clone(),
        attempt: outcome.attempt,
        ..Default::default()
    }
}

fn refuse(result: &mut wire::OutcomeResult, reason: String, retry: bool) {
    result.status = OutcomeStatus::Rejected.into();
    result.reason = reason;
    result.retry = retry;
}

fn not_leader_text(refused: &ServerError) -> String {
    format!("{}: {refused}; send it again", refused.reason())
}

fn unknown_text(status: &Status) -> String {
    let reason = reason_of(status).unwrap_or_else(|| "OUTCOME_UNKNOWN".to_owned());
    format!("{reason}: {}", status.message())
}

/// How an outcome that a connector settles went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledOne {
    /// It is recorded, or was before.
    Recorded,
    /// The customer refuses it: it will not be taken.
    Rejected(String),
    /// Not taken now; whether it may be later.
    Refused {
        /// Whether to submit it again.
        retry: bool,
    },
}

impl Node {
    /// Records one outcome, wherever its customer's partition is led.
    ///
    /// # Cancel safety
    /// The outcome may be recorded all the same.
    pub async fn settle_one(&self, customer: &CustomerKey, command: Command) -> SettledOne {
        let partition = self.partition_of(customer);
        let leader = match self.target(partition) {
            Target::Here(_) | Target::Nowhere => {
                let submitted = self.submit(partition, vec![(customer.clone(), command)], None);
                let answer = submitted.answers(1, self.answer_max()).await.pop();
                return match answer {
                    Some(Answer::Done { .. }) => SettledOne::Recorded,
                    Some(Answer::Rejected(rejection)) => {
                        SettledOne::Rejected(rejection.to_string())
                    }
                    Some(Answer::Refused(refusal)) => SettledOne::Refused {
                        retry: refusal.is_retryable(),
                    },
                    None => SettledOne::Refused { retry: true },
                };
            }
            Target::There(leader) => leader,
        };
        let Some(outcome) = outcome_to_wire(self, customer, &command) else {
            return SettledOne::Refused { retry: false };
        };
        let share = Share {
            partitions: BTreeSet::from([partition]),
            positions: vec![0],
            outcomes: vec![outcome],
        };
        match settle_there(self, &leader, &share).await {
            Ok(mut results) => match results.pop() {
                Some(result) if result.status() != OutcomeStatus::Rejected => SettledOne::Recorded,
                Some(result) if !result.retry => SettledOne::Rejected(result.reason),
                Some(_) | None => SettledOne::Refused { retry: true },
            },
            Err(_) => SettledOne::Refused { retry: true },
        }
    }
}

/// A settlement as another node takes it; `None` for any other command.
fn outcome_to_wire(
    node: &Node,
    customer: &CustomerKey,
    command: &Command,
) -> Option<wire::Outcome> {
    let Command::Settle {
        birth,
        effect,
        attempt,
        outcome,
    } = command
    else {
        return None;
    };
    let mut settled = wire::Outcome {
        effect_id: id_text(node.origin(), customer, *birth, *effect),
        attempt: *attempt,
        ..Default::default()
    };
    let kind = match outcome {
        CustomerOutcome::Sent => OutcomeKind::Sent,
        CustomerOutcome::Delivered => OutcomeKind::Delivered,
        CustomerOutcome::Completed { result } => {
            settled.answer = Some(value_to_wire(result));
            OutcomeKind::Completed
        }
        CustomerOutcome::FailedForGood { reason } => {
            settled.reason.clone_from(reason);
            OutcomeKind::FailedForGood
        }
        CustomerOutcome::FailedForNow { reason, retry_at } => {
            settled.reason.clone_from(reason);
            settled.retry_after = Some(span_until(node, *retry_at));
            OutcomeKind::FailedForNow
        }
        CustomerOutcome::Returned { retry_at } => {
            settled.retry_after = retry_at.map(|retry_at| span_until(node, retry_at));
            OutcomeKind::Returned
        }
    };
    settled.result = kind.into();
    Some(settled)
}

/// How long it is until then.
fn span_until(node: &Node, at: Timestamp) -> pbjson_types::Duration {
    let ms = at.since(node.now()).ms().max(0);
    pbjson_types::Duration {
        seconds: ms / 1_000,
        nanos: i32::try_from(ms % 1_000).unwrap_or(0) * 1_000_000,
    }
}

/// The effect that an id of this cluster names.
pub(super) fn effect_of(node: &Node, text: &str) -> Result<EffectId, String> {
    let effect: EffectId = text
        .parse()
        .map_err(|error: journey_types::InvalidId| error.to_string())?;
    if effect.origin == node.origin() {
        Ok(effect)
    } else {
        Err("the effect is of another cluster, or of a life of it before a restore".to_owned())
    }
}

fn read(node: &Node, outcome: &wire::Outcome) -> Result<(Attempt, Command), String> {
    let kind = outcome.result();
    let effect = effect_of(node, &outcome.effect_id)?;
    let reason = outcome.reason.clone();
    let outcome_of_customer = match kind {
        OutcomeKind::Sent => CustomerOutcome::Sent,
        OutcomeKind::Delivered => CustomerOutcome::Delivered,
        OutcomeKind::Completed => CustomerOutcome::Completed {
            result: answer(outcome.answer.clone())?,
        },
        OutcomeKind::FailedForGood => CustomerOutcome::FailedForGood { reason },
        // The partition takes the later of this and its backoff.
        OutcomeKind::FailedForNow => CustomerOutcome::FailedForNow {
            reason,
            retry_at: retry_at(node, outcome.retry_after.as_ref()),
        },
        OutcomeKind::Returned => CustomerOutcome::Returned {
            retry_at: outcome
                .retry_after
                .as_ref()
                .map(|span| retry_at(node, Some(span))),
        },
        OutcomeKind::Unspecified => {
            return Err(
                "result is not set; say sent, delivered, completed, failed for now, failed for good or returned"
                    .to_owned(),
            );
        }
    };
    let command = Command::Settle {
        birth: effect.birth,
        effect: effect.sequence,
        attempt: outcome.attempt,
        outcome: outcome_of_customer,
    };
    let attempt = Attempt {
        customer: effect.customer,
        birth: effect.birth,
        effect: effect.sequence,
        attempt: outcome.attempt,
    };
    Ok((attempt, command))
}

/// The earliest instant that a worker asks for; now where it asks for none, or for one that has passed.
fn retry_at(node: &Node, retry_after: Option<&pbjson_types::Duration>) -> Timestamp {
    let ms = retry_after.map_or(0, |span| {
        let of_seconds = span.seconds.saturating_mul(1_000);
        of_seconds.saturating_add(i64::from(span.nanos) / 1_000_000)
    });
    node.now().plus(TimeSpan::from_ms(ms.max(0)))
}

/// What a call or task answers, if it can be kept at all.
fn answer(answer: Option<pbjson_types::Value>) -> Result<Value, String> {
    let value = answer.map_or(Value::Null, value_from_wire);
    let size_bytes = value.size_bytes();
    if size_bytes > VARS_SIZE_BYTES_MAX {
        return Err(format!(
            "the answer takes {size_bytes} bytes, at most {VARS_SIZE_BYTES_MAX} are kept in the instance; \
             answer less, or store it and answer where it lies"
        ));
    }
    if !value.depth_is_fine() {
        return Err(format!(
            "the answer nests deeper than {VALUE_DEPTH_MAX} levels; answer something flatter"
        ));
    }
    Ok(value)
}

fn outcome_status(answer: Answer) -> (OutcomeStatus, String, bool) {
    match answer {
        Answer::Done {
            reply: Reply::Recorded,
            ..
        } => (OutcomeStatus::Recorded, String::new(), false),
        Answer::Done { .. } => (OutcomeStatus::Settled, String::new(), false),
        Answer::Rejected(rejection) => (OutcomeStatus::Rejected, rejection.to_string(), false),
        Answer::Refused(refusal) => {
            let retry = refusal.is_retryable();
            (OutcomeStatus::Rejected, refusal.to_string(), retry)
        }
    }
}
