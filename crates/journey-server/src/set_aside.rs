//! What dead letters and quarantined commands have in common: finding them page by page, and carrying out what an
//! operator decides.

mod deed;
mod list;

use std::collections::VecDeque;
use std::str::FromStr as _;
use std::sync::Arc;

use journey_codec::Held;
use journey_customer::{CustomerState, Reply};
use journey_partition::{Answer, PartitionHandle};
use journey_proto::v1 as wire;
use journey_types::{
    BirthIndex, CustomerId, CustomerKey, Destination, EffectId, EffectOrigin, InvalidId, JourneyId,
    PartitionId, Sequence, Timestamp, WorkspaceId,
};

pub(crate) use self::deed::{Deed, carry_out};
pub(crate) use self::list::{Listing, list_page, sums_elsewhere};
use crate::convert::workspace_id;
use crate::customers::internal;
use crate::error::ServerError;
use crate::limits::SET_ASIDE_CUSTOMERS_AT_ONCE;
use crate::node::Node;
use crate::paging::{token_parts, token_text};
use crate::router::{Hop, Target};

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
        let is_invalid = |field, error: InvalidId| ServerError::invalid(field, error.to_string());
        if !filter.destination.is_empty() {
            Destination::from_str(&filter.destination)
                .map_err(|error| is_invalid("filter.destination", error))?;
        }
        if !filter.journey.is_empty() {
            JourneyId::new(&filter.journey).map_err(|error| is_invalid("filter.journey", error))?;
        }
        Ok(Self {
            workspace,
            customer,
            destination: filter.destination,
            journey: filter.journey,
        })
    }
}

/// The partitions that a list goes through: all that are meant, or that of the one customer.
fn partitions_meant(node: &Node, hop: &Hop, filter: &Filter) -> Vec<PartitionId> {
    if let Some(customer) = &filter.customer {
        let key = CustomerKey {
            workspace: filter.workspace.clone(),
            customer: customer.clone(),
        };
        return vec![node.partition_of(&key)];
    }
    node.partition_ids()
        .filter(|partition| hop.means(*partition))
        .collect()
}

/// Where a list begins: a partition, and what comes before in it.
fn list_start(token: &str) -> Result<(PartitionId, String), ServerError> {
    let parts = token_parts(token)?;
    let (partition, last) = parts.unwrap_or_default();
    Ok((PartitionId::new(partition), last))
}

/// Customers of one partition with something set aside, the oldest first.
struct Customers<'f> {
    handle: PartitionHandle,
    filter: &'f Filter,
    after: Option<(Timestamp, CustomerKey)>,
    found: VecDeque<(Timestamp, CustomerKey)>,
    is_done: bool,
}

impl<'f> Customers<'f> {
    /// Those after one that a page token names; empty for all.
    fn of(handle: &PartitionHandle, filter: &'f Filter, after: &str) -> Result<Self, ServerError> {
        let bad = || ServerError::invalid("page_token", "is not a token of this list");
        let after = (!after.is_empty()).then(|| {
            let (since, customer) = after.split_once('|').ok_or_else(bad)?;
            let since = Timestamp::from_unix_ms(since.parse().map_err(|_| bad())?);
            let customer = CustomerKey {
                workspace: filter.workspace.clone(),
                customer: CustomerId::new(customer).map_err(|_| bad())?,
            };
            Ok::<_, ServerError>((since, customer))
        });
        Ok(Self {
            handle: handle.clone(),
            filter,
            after: after.transpose()?,
            found: VecDeque::new(),
            is_done: false,
        })
    }

    /// The next customer, with the token of the page behind it.
    fn next(&mut self) -> Result<Option<(String, Arc<CustomerState>)>, ServerError> {
        if let Some(customer) = &self.filter.customer {
            if std::mem::replace(&mut self.is_done, true) {
                return Ok(None);
            }
            let key = CustomerKey {
                workspace: self.filter.workspace.clone(),
                customer: customer.clone(),
            };
            let state = self.handle.customer(&key).map_err(internal)?;
            return Ok(state.map(|state| (String::new(), state)));
        }
        loop {
            while let Some((since, key)) = self.found.pop_front() {
                self.after = Some((since, key.clone()));
                if key.workspace != self.filter.workspace {
                    continue;
                }
                if let Some(state) = self.handle.customer(&key).map_err(internal)? {
                    let last = format!("{}|{}", since.unix_ms(), key.customer);
                    let partition = self.handle.partition().get();
                    return Ok(Some((token_text(partition, &last), state)));
                }
            }
            let page = self
                .handle
                .set_aside(self.after.as_ref(), SET_ASIDE_CUSTOMERS_AT_ONCE);
            self.found.extend(page.map_err(internal)?);
            if self.found.is_empty() {
                return Ok(None);
            }
        }
    }
}

/// The partition that has what an id names, and where it is led.
pub(crate) async fn target_of_id(
    node: &Node,
    hop: &Hop,
    id: &EffectId,
) -> Result<(PartitionId, Target), ServerError> {
    let partition = node.partition_of(&id.customer);
    Ok((partition, node.reader_of(hop, partition).await?))
}

/// A token behind which a list has nothing: for the sums alone.
fn token_behind_all(node: &Node) -> String {
    token_text(
        u32::try_from(node.partition_ids().count()).unwrap_or(u32::MAX),
        "",
    )
}

/// Adds what other nodes hold.
pub(crate) fn add_sum(sum: &mut wire::SetAsideSum, other: Option<wire::SetAsideSum>) {
    let other = other.unwrap_or_default();
    sum.count += other.count;
    sum.size_bytes += other.size_bytes;
    sum.size_bytes_max += other.size_bytes_max;
}

/// What lies set aside in partitions of this node.
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
    let id: EffectId = text.parse().map_err(|error: InvalidId| error.to_string())?;
    if id.origin == node.origin() {
        Ok(id)
    } else {
        Err("it is of another cluster, or of a life of it before a restore".to_owned())
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
