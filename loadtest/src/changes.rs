//! Lays flags over a scenario.

use crate::arguments::Changes;
use crate::limits::{CALLS_IN_FLIGHT_MAX, STREAM_IN_FLIGHT_MAX};
use crate::scenario::{Extent, Form, Phase, PhaseKind, Rate, Scenario};

impl Changes {
    /// What a run of a second or two changes.
    pub(crate) const fn tiny() -> Self {
        Self {
            seconds: Some(1),
            warm_up: Some(1),
            events: Some(2_000),
            nodes: None,
            customers: Some(300),
            batch: None,
            connections: None,
            in_flight: None,
            rate_factor: Some(0.1),
        }
    }

    /// Changes the scenario.
    pub(crate) fn apply(&self, scenario: &mut Scenario) -> anyhow::Result<()> {
        if let Some(customers) = self.customers {
            scenario.customers.count = customers;
        }
        scenario.node.count = self.nodes.unwrap_or(scenario.node.count);
        let traffic = &mut scenario.traffic;
        traffic.batch = self.batch.unwrap_or(traffic.batch);
        traffic.connections = self.connections.unwrap_or(traffic.connections);
        traffic.in_flight = self.in_flight.unwrap_or(traffic.in_flight);
        let in_flight_max = match traffic.form {
            Form::Stream => STREAM_IN_FLIGHT_MAX,
            Form::Calls => CALLS_IN_FLIGHT_MAX,
        };
        anyhow::ensure!(
            traffic.in_flight as usize <= in_flight_max,
            "at most {in_flight_max} in flight with the form {}",
            traffic.form.word()
        );
        scenario.customers.sample = scenario.customers.sample.min(scenario.customers.count);
        for phase in &mut scenario.phases {
            self.phase(phase);
        }
        Ok(())
    }

    fn phase(&self, phase: &mut Phase) {
        let given = if phase.is_measured {
            self.seconds
        } else {
            self.warm_up
        };
        match &mut phase.kind {
            PhaseKind::Closed {
                extent: Extent::Seconds(seconds),
            } => *seconds = given.unwrap_or(*seconds),
            PhaseKind::Closed {
                extent: Extent::Events(events),
            } => *events = self.events.unwrap_or(*events),
            PhaseKind::Open { seconds, rate } => {
                *seconds = given.unwrap_or(*seconds);
                if let (Rate::PerSecond(rate), Some(factor)) = (rate, self.rate_factor) {
                    *rate *= factor.max(0.0);
                }
            }
            PhaseKind::Start { .. } | PhaseKind::Restart { .. } | PhaseKind::Storm => {}
        }
    }
}
