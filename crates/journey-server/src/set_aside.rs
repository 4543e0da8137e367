//! What dead letters and quarantined commands have in common: finding them page by page, and carrying out what an
//! operator decides.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use journey_codec::Held;
use journey_customer::{Command, CustomerState, Reply};
use journey_partition::Answer;
use journey_proto::v1 as wire;
use journey_types::{
    BirthIndex, CustomerId, CustomerKey, EffectId, EffectOrigin, PartitionId, Sequence, Timestamp,
    WorkspaceId,
};

use crate::convert::workspace_id;
use crate::customers::internal;
use crate::error::ServerError;
use crate::limits::{SET_ASIDE_CUSTOMERS_AT_ONCE, SET_ASIDE_PER_CALL_MAX};
use crate::node::{Commands, Node};
use crate::paging::{token_parts, token_text};

/// Which of the things set aside are meant.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    workspace: WorkspaceId,
    customer: Option<CustomerId>,
    pub(crate) destination: String,
    pub(crate) journey: String,
}

impl Filter {
    pub(crate) fn of(filter: Option<wire::SetAsideFilter>) -> Result<Self, ServerError> {
        let filter = filter.unwrap_or_default();
        let workspace = workspace_id(&filter.workspace)
            .map_err(|error| ServerError::invalid("filter.workspace", error.to_string()))?;
        let customer = (!filter.customer_id.is_empty())
            .then(|| CustomerId::new(&filter.customer_id))
            .transpose()
            .map_err(|error| ServerError::invalid("filter.customer_id", error.to_string()))?;
        Ok(Self {
            workspace,
            customer,
            destination: filter.destination,
            journey: filter.journey,
        })
    }
}

/// Customers with something set aside, partition by partition, in each the oldest first.
pub(crate) struct Customers<'n> {
    node: &'n Node,
    filter: Filter,
    partition: PartitionId,
    after: Option<(Timestamp, CustomerKey)>,
    found: VecDeque<(Timestamp, CustomerKey)>,
    is_done: bool,
}

impl<'n> Customers<'n> {
    /// From where a page token says.
    pub(crate) fn from(node: &'n Node, filter: Filter, token: &str) -> Result<Self, ServerError> {
        let (partition, after) = match token_parts(token)? {
            None => (0, None),
            Some((partition, last)) => (partition, Some(last)),
        };
        let bad = || ServerError::invalid("page_token", "is not a token of this list");
        let after = after.map(|last| {
            let (since, customer) = last.split_once('|').ok_or_else(bad)?;
            let since = Timestamp::from_unix_ms(since.parse().map_err(|_| bad())?);
            let customer = CustomerKey {
                workspace: filter.workspace.clone(),
                customer: CustomerId::new(customer).map_err(|_| bad())?,
            };
            Ok::<_, ServerError>((since, customer))
        });
        Ok(Self {
            node,
            filter,
            partition: PartitionId::new(partition),
            after: after.transpose()?,
            found: VecDeque::new(),
            is_done: false,
        })
    }

    /// The next customer, with the token of the page behind it.
    pub(crate) fn next(&mut self) -> Result<Option<(String, Arc<CustomerState>)>, ServerError> {
        if let Some(customer) = self.filter.customer.clone() {
            return self.only(customer);
        }
        while self.node.is_partition(self.partition) {
            let Some(handle) = self.node.partition(self.partition) else {
                self.begin_next_partition();
                continue;
            };
            while let Some((since, key)) = self.found.pop_front() {
                self.after = Some((since, key.clone()));
                if key.workspace != self.filter.workspace {
                    continue;
                }
                if let Some(state) = handle.customer(&key).map_err(internal)? {
                    let last = format!("{}|{}", since.unix_ms(), key.customer);
                    return Ok(Some((token_text(self.partition.get(), &last), state)));
                }
            }
            let page = handle.set_aside(self.after.as_ref(), SET_ASIDE_CUSTOMERS_AT_ONCE);
            self.found.extend(page.map_err(internal)?);
            if self.found.is_empty() {
                self.begin_next_partition();
            }
        }
        Ok(None)
    }

    fn begin_next_partition(&mut self) {
        self.partition = PartitionId::new(self.partition.get() + 1);
        self.after = None;
    }

    fn only(
        &mut self,
        customer: CustomerId,
    ) -> Result<Option<(String, Arc<CustomerState>)>, ServerError> {
        if std::mem::replace(&mut self.is_done, true) {
            return Ok(None);
        }
        let key = CustomerKey {
            workspace: self.filter.workspace.clone(),
            customer,
        };
        Ok(state_of(self.node, &key)?.map(|state| (String::new(), state)))
    }
}

/// A customer's committed state.
pub(crate) fn state_of(
    node: &Node,
    key: &CustomerKey,
) -> Result<Option<Arc<CustomerState>>, ServerError> {
    match node.partition(node.partition_of(key)) {
        Some(handle) => handle.customer(key).map_err(internal),
        None => Ok(None),
    }
}

/// What lies set aside on the whole node.
pub(crate) fn sum(held: impl Iterator<Item = Held>, size_bytes_max: u64) -> wire::SetAsideSum {
    held.fold(wire::SetAsideSum::default(), |sum, held| {
        wire::SetAsideSum {
            count: sum.count + held.n,
            size_bytes: sum.size_bytes + held.size_bytes,
            size_bytes_max: sum.size_bytes_max + size_bytes_max,
        }
    })
}

/// The id by which something is named that a customer has set aside: that of the effect, or one formed alike.
pub(crate) fn id_text(
    origin: EffectOrigin,
    customer: &CustomerKey,
    birth: BirthIndex,
    sequence: Sequence,
) -> String {
    let id = EffectId {
        origin,
        customer: customer.clone(),
        birth,
        sequence,
        ordinal: 0,
    };
    id.to_string()
}

/// Reads an id of this cluster.
pub(crate) fn parsed_id(node: &Node, text: &str) -> Result<EffectId, String> {
    let id: EffectId = text
        .parse()
        .map_err(|error: journey_types::InvalidId| error.to_string())?;
    if id.origin == node.origin() {
        Ok(id)
    } else {
        Err("it is of another cluster, or of a life of it before a restore".to_owned())
    }
}

/// What an operator asks for.
pub(crate) struct Asked {
    pub(crate) ids: Vec<String>,
    pub(crate) filter: Option<wire::SetAsideFilter>,
}

/// The ids that are meant: those given, or with a filter those that `of_customer` finds. The flag: there are more.
pub(crate) fn meant(
    node: &Node,
    asked: Asked,
    of_customer: impl Fn(&Filter, &CustomerState) -> Vec<String>,
) -> Result<(Vec<String>, bool), ServerError> {
    if asked.ids.is_empty() == asked.filter.is_none() {
        let text =
            "give either ids or a filter (an empty filter means everything of the workspace)";
        return Err(ServerError::invalid("filter", text));
    }
    if asked.ids.len() > SET_ASIDE_PER_CALL_MAX {
        let text = format!(
            "holds {}, at most {SET_ASIDE_PER_CALL_MAX} are allowed",
            asked.ids.len()
        );
        return Err(ServerError::invalid("ids", text));
    }
    if !asked.ids.is_empty() {
        return Ok((asked.ids, false));
    }
    let filter = Filter::of(asked.filter)?;
    let mut ids = Vec::new();
    let mut customers = Customers::from(node, filter.clone(), "")?;
    while let Some((_, state)) = customers.next()? {
        ids.extend(of_customer(&filter, &state));
        if ids.len() > SET_ASIDE_PER_CALL_MAX {
            ids.truncate(SET_ASIDE_PER_CALL_MAX);
            return Ok((ids, true));
        }
    }
    Ok((ids, false))
}

/// Carries out one command for each id, each in its customer's partition.
pub(crate) async fn carry_out(
    node: &Node,
    (ids, more): (Vec<String>, bool),
    command: impl Fn(&EffectId) -> Command,
) -> wire::SetAsideReport {
    let mut results: Vec<wire::SetAsideResult> = Vec::with_capacity(ids.len());
    let mut shares: BTreeMap<PartitionId, (Vec<usize>, Commands)> = BTreeMap::new();
    for (position, text) in ids.into_iter().enumerate() {
        let mut result = wire::SetAsideResult {
            id: text,
            ..Default::default()
        };
        match parsed_id(node, &result.id) {
            Ok(id) => {
                let share = shares.entry(node.partition_of(&id.customer)).or_default();
                share.0.push(position);
                let command = command(&id);
                share.1.push((id.customer, command));
            }
            Err(reason) => result.note = reason,
        }
        results.push(result);
    }
    for (partition, (positions, commands)) in shares {
        // One partition after the other, a mailbox at a time: what an operator does need not crowd ingest out.
        let submitted = node.submit(partition, commands, None);
        let answers = submitted.answers(positions.len(), node.answer_max()).await;
        for (position, answer) in positions.into_iter().zip(answers) {
            put_answer(&mut results[position], answer);
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

fn put_answer(result: &mut wire::SetAsideResult, answer: Answer) {
    match answer {
        Answer::Done { reply, .. } => {
            result.done = true;
            if let Reply::Replayed { note } = reply {
                result.note = note;
            }
        }
        Answer::Rejected(rejection) => result.note = rejection.to_string(),
        Answer::Refused(refusal) => {
            result.note = refusal.to_string();
            result.retry = refusal.is_retryable();
        }
    }
}

/// What would be done.
pub(crate) fn dry_run((ids, more): (Vec<String>, bool)) -> wire::SetAsideReport {
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
