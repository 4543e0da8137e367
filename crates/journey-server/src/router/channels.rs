//! Connections to other nodes' public APIs: one for each, made when it is first needed, dropped when the node is gone.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};

use crate::error::ServerError;
use crate::limits::{
    HOP_CHANNELS_MAX, HOP_CONNECT_MAX, HOP_KEEPALIVE_ANSWER_MAX, HOP_KEEPALIVE_INTERVAL,
};
use crate::router::Leader;

/// The pool.
#[derive(Debug, Default)]
pub(crate) struct HopChannels {
    by_address: Mutex<BTreeMap<String, Channel>>,
}

impl HopChannels {
    /// The connection to a node; requests share it.
    pub(crate) fn of(&self, leader: &Leader) -> Result<Channel, ServerError> {
        let mut by_address = self.by_address.lock();
        if let Some(channel) = by_address.get(&leader.address) {
            return Ok(channel.clone());
        }
        if by_address.len() >= HOP_CHANNELS_MAX {
            // Nodes that left, mostly: whoever is still needed is connected again.
            by_address.clear();
        }
        let address = format!("http://{}", leader.address);
        let endpoint =
            Endpoint::from_shared(address).map_err(|error| ServerError::Unavailable {
                reason: format!(
                    "the address `{}` of node {} is none: {error}",
                    leader.address, leader.node
                ),
            })?;
        let channel = endpoint
            .connect_timeout(HOP_CONNECT_MAX)
            .tcp_nodelay(true)
            // A node that is frozen or cut off does not close its connections.
            .http2_keep_alive_interval(HOP_KEEPALIVE_INTERVAL)
            .keep_alive_timeout(HOP_KEEPALIVE_ANSWER_MAX)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .connect_lazy();
        by_address.insert(leader.address.clone(), channel.clone());
        Ok(channel)
    }
}
