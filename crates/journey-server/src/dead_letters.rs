//! Dead letters: listed, read, replayed, discarded.

use std::sync::Arc;

use journey_customer::{Command, CustomerState, DeadLetter, EffectBody, SetAside};
use journey_partition::core::limits::DEAD_LETTERS_SIZE_BYTES_MAX;
use journey_proto::v1 as wire;
use journey_proto::v1::dead_letter_service_server::DeadLetterService;
use journey_types::CustomerKey;
use tonic::{Request, Response, Status};

use crate::convert::{struct_from_map, timestamp_to_wire};
use crate::error::ServerError;
use crate::node::Node;
use crate::paging::page_size;
use crate::set_aside::{
    Asked, Customers, Filter, carry_out, dry_run, id_text, meant, parsed_id, state_of, sum,
};

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct DeadLetterApi {
    node: Arc<Node>,
}

impl DeadLetterApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    async fn stopped_queues(&self) -> Vec<wire::StoppedQueue> {
        let mut stopped = Vec::new();
        for handle in self.node.partitions().values() {
            // A partition without its actor is shown by its own status.
            let Ok(status) = handle.status().await else {
                continue;
            };
            stopped.extend(
                status
                    .stopped_queues
                    .iter()
                    .map(|queue| wire::StoppedQueue {
                        workspace: queue.workspace.to_string(),
                        destination: queue.destination.to_string(),
                        partition: handle.partition().get(),
                        since: Some(timestamp_to_wire(queue.since)),
                    }),
            );
        }
        stopped
    }

    fn meant(&self, asked: Asked) -> Result<(Vec<String>, bool), ServerError> {
        meant(&self.node, asked, |filter, state| {
            let letters = matching(filter, state);
            let rows = letters.map(|letter| &letter.row);
            rows.map(|row| id_text(self.node.origin(), &state.key, row.birth, row.effect))
                .collect()
        })
    }
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetterApi {
    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let request = request.into_inner();
        let n_max = page_size(request.page_size)?;
        let filter = Filter::of(request.filter)?;
        let mut customers = Customers::from(&self.node, filter.clone(), &request.page_token)?;
        let mut dead_letters = Vec::new();
        let mut next_page_token = String::new();
        while let Some((token, state)) = customers.next()? {
            let letters = matching(&filter, &state);
            dead_letters.extend(letters.map(|letter| summary(&self.node, &state.key, letter)));
            if dead_letters.len() >= n_max {
                next_page_token = token;
                break;
            }
        }
        let handles = self.node.partitions();
        let held = handles.values().map(|handle| handle.held().0);
        Ok(Response::new(wire::ListDeadLettersResponse {
            dead_letters,
            next_page_token,
            held: Some(sum(held, DEAD_LETTERS_SIZE_BYTES_MAX)),
            stopped_queues: self.stopped_queues().await,
        }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<wire::GetDeadLetterRequest>,
    ) -> Result<Response<wire::GetDeadLetterResponse>, Status> {
        let text = request.into_inner().effect_id;
        let id = parsed_id(&self.node, &text)
            .map_err(|reason| ServerError::invalid("effect_id", reason))?;
        let state = state_of(&self.node, &id.customer)?;
        let letter = state.as_ref().and_then(|state| {
            let letter = state.dead_letters.get(&id.sequence);
            letter.filter(|letter| letter.row.birth == id.birth)
        });
        let letter = letter.ok_or(ServerError::NotFound {
            kind: "dead letter",
            name: text,
            hint: "it was replayed, discarded or expired, or never was there",
        })?;
        Ok(Response::new(wire::GetDeadLetterResponse {
            dead_letter: Some(whole(&self.node, &id.customer, letter)),
        }))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<wire::ReplayDeadLettersRequest>,
    ) -> Result<Response<wire::ReplayDeadLettersResponse>, Status> {
        let request = request.into_inner();
        let is_dry = request.dry_run;
        let meant = self.meant(Asked {
            ids: request.effect_ids,
            filter: request.filter,
        })?;
        let report = if is_dry {
            dry_run(meant)
        } else {
            carry_out(&self.node, meant, |id| Command::ReplayDeadLetter {
                birth: id.birth,
                effect: id.sequence,
            })
            .await
        };
        let report = Some(report);
        Ok(Response::new(wire::ReplayDeadLettersResponse { report }))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<wire::DiscardDeadLettersRequest>,
    ) -> Result<Response<wire::DiscardDeadLettersResponse>, Status> {
        let request = request.into_inner();
        let is_dry = request.dry_run;
        let meant = self.meant(Asked {
            ids: request.effect_ids,
            filter: request.filter,
        })?;
        let report = if is_dry {
            dry_run(meant)
        } else {
            carry_out(&self.node, meant, |id| Command::Discard {
                birth: id.birth,
                what: SetAside::DeadLetter(id.sequence),
            })
            .await
        };
        let report = Some(report);
        Ok(Response::new(wire::DiscardDeadLettersResponse { report }))
    }
}

fn matching<'s>(
    filter: &'s Filter,
    state: &'s CustomerState,
) -> impl Iterator<Item = &'s DeadLetter> {
    let letters = state.dead_letters.values().map(AsRef::as_ref);
    letters.filter(|letter: &&DeadLetter| {
        let row = &letter.row;
        (filter.destination.is_empty() || filter.destination == row.destination.to_string())
            && (filter.journey.is_empty() || filter.journey == row.journey.as_str())
    })
}

fn summary(node: &Node, customer: &CustomerKey, letter: &DeadLetter) -> wire::DeadLetter {
    let row = &letter.row;
    wire::DeadLetter {
        effect_id: id_text(node.origin(), customer, row.birth, row.effect),
        kind: row.kind().to_owned(),
        destination: row.destination.to_string(),
        workspace: customer.workspace.to_string(),
        customer_id: customer.customer.to_string(),
        journey: row.journey.to_string(),
        version: row.version.get(),
        step: row.step.to_string(),
        instance: row.instance.get(),
        created_at: Some(timestamp_to_wire(row.created_at)),
        since: Some(timestamp_to_wire(letter.since)),
        reason: letter.reason.clone(),
        attempt_count: row.attempt,
        send_by: row.send_by.map(timestamp_to_wire),
        purpose: row.purpose.clone(),
        ..Default::default()
    }
}

fn whole(node: &Node, customer: &CustomerKey, letter: &DeadLetter) -> wire::DeadLetter {
    let attempts = letter.row.attempts.iter();
    let attempts = attempts.map(|attempt| wire::DeliveryAttempt {
        number: attempt.number,
        at: Some(timestamp_to_wire(attempt.at)),
        worker: attempt.worker.clone(),
        failure: attempt.failure.clone().unwrap_or_default(),
    });
    let letter_to_wire = wire::DeadLetter {
        attempts: attempts.collect(),
        ..summary(node, customer, letter)
    };
    match &letter.row.body {
        EffectBody::Message(message) => wire::DeadLetter {
            why: message.why.clone(),
            content: message.content.to_string(),
            rendered: message.rendered.clone(),
            ..letter_to_wire
        },
        EffectBody::Work(work) => wire::DeadLetter {
            input: Some(struct_from_map(&work.input)),
            ..letter_to_wire
        },
    }
}
