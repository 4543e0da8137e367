//! What an operator does to things set aside: each in its customer's partition, here or one hop away.

use std::collections::BTreeMap;

use journey_customer::{Command, CustomerState, SetAside};
use journey_partition::PartitionHandle;
use journey_proto::v1 as wire;
use journey_proto::v1::dead_letter_service_client::DeadLetterServiceClient;
use journey_proto::v1::quarantine_service_client::QuarantineServiceClient;
use journey_types::{EffectId, PartitionId};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::{Customers, Filter, id_text, parsed_id, partitions_meant, put_answer};
use crate::dead_letters::matching;
use crate::error::ServerError;
use crate::limits::SET_ASIDE_PER_CALL_MAX;
use crate::node::{Commands, Node};
use crate::router::{Hop, Leader, Target, hop_request};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    ReplayDeadLetters,
    DiscardDeadLetters,
    ReplayQuarantined,
    DiscardQuarantined,
}

/// The ids that are meant; the flag: there are more.
type Meant = (Vec<String>, bool);

impl Deed {
    fn command(self, id: &EffectId) -> Command {
        let (birth, sequence) = (id.birth, id.sequence);
        match self {
            Self::ReplayDeadLetters => Command::ReplayDeadLetter {
                birth,
                effect: sequence,
            },
            Self::DiscardDeadLetters => Command::Discard {
                birth,
                what: SetAside::DeadLetter(sequence),
            },
            Self::ReplayQuarantined => Command::ReplayQuarantined {
                birth,
                entry: sequence,
            },
            Self::DiscardQuarantined => Command::Discard {
                birth,
                what: SetAside::Command(sequence),
            },
        }
    }

    /// The ids of what a customer has set aside.
    fn ids_of(self, node: &Node, filter: &Filter, state: &CustomerState) -> Vec<String> {
        let origin = node.origin();
        match self {
            Self::ReplayDeadLetters | Self::DiscardDeadLetters => {
                let rows = matching(filter, state).map(|letter| &letter.row);
                rows.map(|row| id_text(origin, &state.key, row.birth, row.effect))
                    .collect()
            }
            Self::ReplayQuarantined | Self::DiscardQuarantined => {
                let entries = state.quarantined.keys();
                entries
                    .map(|entry| id_text(origin, &state.key, state.birth, *entry))
                    .collect()
            }
        }
    }

    /// Asks another node to do it.
    async fn ask(
        self,
        channel: Channel,
        request: Request<wire::SetAsideRequest>,
    ) -> Result<Response<wire::SetAsideReport>, Status> {
        let letters = || DeadLetterServiceClient::new(channel.clone());
        let quarantine = || QuarantineServiceClient::new(channel.clone());
        match self {
            Self::ReplayDeadLetters => letters().replay_dead_letters(request).await,
            Self::DiscardDeadLetters => letters().discard_dead_letters(request).await,
            Self::ReplayQuarantined => quarantine().replay_quarantined(request).await,
            Self::DiscardQuarantined => quarantine().discard_quarantined(request).await,
        }
    }
}

/// Does it, or says what would be done.
pub(crate) async fn carry_out(
    node: &Node,
    deed: Deed,
    request: Request<wire::SetAsideRequest>,
) -> Result<Response<wire::SetAsideReport>, Status> {
    let hop = Hop::of(request.metadata())?;
    let asked = request.into_inner();
    let is_dry = asked.dry_run;
    let meant = || meant(node, &hop, deed, asked.clone());
    let meant = node.read(&hop, meant).await?;
    let report = if is_dry {
        dry_run(meant)
    } else {
        do_to(node, &hop, deed, meant).await
    };
    Ok(Response::new(report))
}

/// The ids that are meant: those given, or with a filter those that every partition finds.
async fn meant(
    node: &Node,
    hop: &Hop,
    deed: Deed,
    asked: wire::SetAsideRequest,
) -> Result<Meant, Status> {
    if asked.ids.is_empty() == asked.filter.is_none() {
        let text =
            "give either ids or a filter (an empty filter means everything of the workspace)";
        return Err(ServerError::invalid("filter", text).into());
    }
    if asked.ids.len() > SET_ASIDE_PER_CALL_MAX {
        let text = format!(
            "holds {}, at most {SET_ASIDE_PER_CALL_MAX} are allowed",
            asked.ids.len()
        );
        return Err(ServerError::invalid("ids", text).into());
    }
    if !asked.ids.is_empty() {
        return Ok((asked.ids, false));
    }
    let filter = Filter::of(asked.filter.clone())?;
    let mut ids = Vec::new();
    let mut has_more = false;
    for partition in partitions_meant(node, hop, &filter) {
        match node.reader_of(hop, partition).await? {
            Target::Here(handle) => ids.extend(found_here(node, &handle, deed, &filter)?),
            Target::There(leader) => {
                let asked = wire::SetAsideRequest {
                    dry_run: true,
                    ..asked.clone()
                };
                let call = |channel| deed.ask(channel, hop_request(asked.clone(), &[partition]));
                let report = node.hop(partition, leader, call).await?;
                has_more |= report.more;
                ids.extend(report.results.into_iter().map(|result| result.id));
            }
            Target::Nowhere => return Err(node.not_leader(partition).into()),
        }
        if ids.len() > SET_ASIDE_PER_CALL_MAX {
            ids.truncate(SET_ASIDE_PER_CALL_MAX);
            return Ok((ids, true));
        }
    }
    Ok((ids, has_more))
}

/// What one partition finds, up to one more than a call takes.
fn found_here(
    node: &Node,
    handle: &PartitionHandle,
    deed: Deed,
    filter: &Filter,
) -> Result<Vec<String>, ServerError> {
    let mut ids = Vec::new();
    let mut customers = Customers::of(handle, filter, "")?;
    while let Some((_, state)) = customers.next()? {
        ids.extend(deed.ids_of(node, filter, &state));
        if ids.len() > SET_ASIDE_PER_CALL_MAX {
            break;
        }
    }
    Ok(ids)
}

/// Carries out one command for each id, each in its customer's partition.
async fn do_to(node: &Node, hop: &Hop, deed: Deed, (ids, more): Meant) -> wire::SetAsideReport {
    let mut results: Vec<wire::SetAsideResult> = Vec::with_capacity(ids.len());
    let mut here: BTreeMap<PartitionId, (Vec<usize>, Commands)> = BTreeMap::new();
    let mut there: BTreeMap<(PartitionId, Leader), (Vec<usize>, Vec<String>)> = BTreeMap::new();
    for (position, text) in ids.into_iter().enumerate() {
        let mut result = wire::SetAsideResult {
            id: text,
            ..Default::default()
        };
        match parsed_id(node, &result.id) {
            Err(reason) => result.note = reason,
            Ok(id) => {
                let partition = node.partition_of(&id.customer);
                match node.target_for(hop, partition) {
                    Ok(Target::There(leader)) => {
                        let share = there.entry((partition, leader)).or_default();
                        share.0.push(position);
                        share.1.push(result.id.clone());
                    }
                    Ok(Target::Here(_) | Target::Nowhere) | Err(_) => {
                        let share = here.entry(partition).or_default();
                        share.0.push(position);
                        let command = deed.command(&id);
                        share.1.push((id.customer, command));
                    }
                }
            }
        }
        results.push(result);
    }
    for (partition, (positions, commands)) in here {
        // One partition after the other, a mailbox at a time: what an operator does need not crowd ingest out.
        let submitted = node.submit(partition, commands, None);
        let answers = submitted.answers(positions.len(), node.answer_max()).await;
        for (position, answer) in positions.into_iter().zip(answers) {
            put_answer(&mut results[position], answer);
        }
    }
    for ((partition, leader), (positions, ids)) in there {
        let asked = wire::SetAsideRequest {
            ids,
            ..Default::default()
        };
        let call = |channel| deed.ask(channel, hop_request(asked.clone(), &[]));
        match node.hop(partition, leader, call).await {
            Ok(report) => {
                for (position, result) in positions.into_iter().zip(report.results) {
                    results[position] = result;
                }
            }
            Err(status) => {
                for position in positions {
                    status.message().clone_into(&mut results[position].note);
                    results[position].retry = true;
                }
            }
        }
    }
    let done = results.iter().filter(|result| result.done).count();
    wire::SetAsideReport {
        matched: results.len() as u64,
        done: done as u64,
        results,
        more,
    }
}

/// What would be done.
fn dry_run((ids, more): Meant) -> wire::SetAsideReport {
    let results = ids.into_iter().map(|id| wire::SetAsideResult {
        id,
        ..Default::default()
    });
    let results: Vec<_> = results.collect();
    wire::SetAsideReport {
        matched: results.len() as u64,
        done: 0,
        results,
        more,
    }
}
