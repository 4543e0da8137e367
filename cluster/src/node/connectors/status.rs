//! What a connector counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_delivery::{AttemptClass, BreakerState};
use parking_lot::Mutex;

/// Figures of a connector since the start of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Effects being delivered or settled (`journey_connector_inflight`).
    pub n_in_flight: u32,
    /// Effects it would take at once (`journey_connector_credit`).
    pub n_credit: u32,
    /// Whether requests go out (`journey_connector_breaker`).
    pub breaker: BreakerState,
    /// How often the breaker opened (`journey_connector_breaker_opened_total`).
    pub n_breaker_opened: u64,
    /// Attempts by how they ended (`journey_connector_attempts_total{class}`).
    pub n_attempts: BTreeMap<AttemptClass, u64>,
    /// Hand-overs that came too late and were left to expire (`journey_connector_late_hand_overs_total`).
    pub n_late: u64,
    /// Attempts whose outcome no partition took until the claim ran out; their effects come again
    /// (`journey_connector_unsettled_total`).
    pub n_unsettled: u64,
}

/// Shared by the worker that writes and those who read.
#[derive(Debug, Clone)]
pub(super) struct SharedStatus(Arc<Mutex<ConnectorStatus>>);

impl SharedStatus {
    pub(super) fn new(name: &str) -> Self {
        Self(Arc::new(Mutex::new(ConnectorStatus {
            name: name.to_owned(),
            n_in_flight: 0,
            n_credit: 0,
            breaker: BreakerState::Closed,
            n_breaker_opened: 0,
            n_attempts: BTreeMap::new(),
            n_late: 0,
            n_unsettled: 0,
        })))
    }

    pub(super) fn read(&self) -> ConnectorStatus {
        self.0.lock().clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut ConnectorStatus)) {
        change(&mut self.0.lock());
    }
}
