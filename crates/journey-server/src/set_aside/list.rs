//! A page of what is set aside, gathered from the partitions in turn, here or one hop away.

use std::future::Future;

use journey_customer::CustomerState;
use journey_proto::v1 as wire;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::{Customers, Filter, list_start, partitions_meant, token_behind_all};
use crate::node::Node;
use crate::paging::{page_size, token_text};
use crate::router::{Hop, Spread, Target, hop_request};

/// What one of the lists is made of.
pub(crate) trait Listing: Default + Send {
    /// Things on this page.
    fn n(&self) -> usize;

    /// Puts on it what a customer has set aside.
    fn add(&mut self, node: &Node, filter: &Filter, state: &CustomerState);

    /// Puts on it what another node found; answers the token of the page behind that.
    fn append(&mut self, page: Self) -> String;

    /// Asks another node.
    fn ask(
        channel: Channel,
        request: Request<wire::ListSetAsideRequest>,
    ) -> impl Future<Output = Result<Response<Self>, Status>> + Send;
}

/// One page; the text is the token of the next.
pub(crate) async fn list_page<L: Listing>(
    node: &Node,
    hop: &Hop,
    request: &wire::ListSetAsideRequest,
) -> Result<(L, String), Status> {
    let n_max = page_size(request.page_size)?;
    let filter = Filter::of(request.filter.clone())?;
    let (first, mut after) = list_start(&request.page_token)?;
    let mut page = L::default();
    for partition in partitions_meant(node, hop, &filter) {
        if partition < first {
            continue;
        }
        let n_left = n_max.saturating_sub(page.n());
        if n_left == 0 {
            return Ok((page, token_text(partition.get(), "")));
        }
        let after = std::mem::take(&mut after);
        match node.reader_of(hop, partition).await? {
            Target::Here(handle) => {
                let mut customers = Customers::of(&handle, &filter, &after)?;
                while let Some((token, state)) = customers.next()? {
                    page.add(node, &filter, &state);
                    if page.n() >= n_max {
                        return Ok((page, token));
                    }
                }
            }
            Target::There(leader) => {
                let request = wire::ListSetAsideRequest {
                    page_size: u32::try_from(n_left).unwrap_or(u32::MAX),
                    page_token: token_text(partition.get(), &after),
                    filter: request.filter.clone(),
                };
                let call = |channel| L::ask(channel, hop_request(request.clone(), &[partition]));
                let next = page.append(node.hop(partition, leader, call).await?);
                if !next.is_empty() {
                    return Ok((page, next));
                }
            }
            Target::Nowhere => return Err(node.not_leader(partition).into()),
        }
    }
    Ok((page, String::new()))
}

/// Asks the nodes that lead other partitions for a page with nothing on it but their sums.
pub(crate) async fn sums_elsewhere<L: Listing>(
    node: &Node,
    spread: &Spread,
) -> Result<Vec<L>, Status> {
    let request = wire::ListSetAsideRequest {
        page_token: token_behind_all(node),
        ..Default::default()
    };
    spread.ask(node, &request, L::ask).await
}
