//! From the text of a scenario file to a [`Scenario`], or everything that is wrong with it.

use journey_types::Value;
use toml::Table;

use super::fields::Fields;
use super::{
    Customers, Ending, EventKind, Extent, Form, NodeSettings, Phase, PhaseKind, Property, Rate,
    Scenario, Traffic, WorkerSettings,
};
use crate::limits::{
    BATCH_MAX, CALLS_IN_FLIGHT_MAX, CONNECTIONS_MAX, CUSTOMERS_MAX, NODES_MAX, PHASE_EVENTS_MAX,
    PHASE_SECONDS_MAX, PHASES_MAX, SAMPLE_MAX, STREAM_IN_FLIGHT_MAX,
};
use crate::sums::Sum;

/// Reads a scenario.
///
/// # Errors
/// With every problem, one a line.
pub(crate) fn parse(name: &str, text: &str) -> anyhow::Result<Scenario> {
    let table: Table = text
        .parse()
        .map_err(|error| anyhow::anyhow!("scenario {name} is no TOML: {error}"))?;
    let mut problems = Vec::new();
    let scenario = read(name, table, &mut problems);
    anyhow::ensure!(
        problems.is_empty(),
        "scenario {name} has {} problem(s):\n  {}",
        problems.len(),
        problems.join("\n  ")
    );
    Ok(scenario)
}

fn read(name: &str, table: Table, problems: &mut Vec<String>) -> Scenario {
    let mut fields = Fields::new("", table, problems);
    let about = fields.text("about", None);
    let journeys = fields.text("journeys", Some(""));
    let settle = fields.span("settle", "30s");
    let (node, customers, traffic) = (
        fields.table("node"),
        fields.table("customers"),
        fields.table("traffic"),
    );
    let worker = fields.has("worker").then(|| fields.table("worker"));
    let worker = worker.or_else(|| {
        // Named, so that it is a known key.
        fields.table("worker");
        None
    });
    let phases = fields.tables("phases");
    let sums: Vec<Sum> = fields
        .texts("sums")
        .iter()
        .filter_map(|text| match Sum::parse(text) {
            Ok(sum) => Some(sum),
            Err(reason) => {
                fields.problem("sums", &format!("`{text}`: {reason}"));
                None
            }
        })
        .collect();
    if phases.is_empty() || phases.len() > PHASES_MAX {
        fields.problem("phases", &format!("there must be 1 to {PHASES_MAX}"));
    }
    let scenario = Scenario {
        name: name.to_owned(),
        about,
        journeys,
        node: read_node(node, fields.problems()),
        customers: read_customers(customers, fields.problems()),
        traffic: read_traffic(traffic, fields.problems()),
        worker: worker.map(|worker| read_worker(worker, fields.problems())),
        phases: read_phases(phases, fields.problems()),
        sums,
        settle,
    };
    relations(&scenario, &mut fields);
    fields.end();
    scenario
}

/// What must hold between the parts.
fn relations(scenario: &Scenario, fields: &mut Fields<'_>) {
    let mut has_maximum = false;
    for (idx, phase) in scenario.phases.iter().enumerate() {
        let at = format!("phases[{idx}]");
        match &phase.kind {
            PhaseKind::Closed { .. } => has_maximum |= phase.is_measured,
            PhaseKind::Open { rate, .. } => {
                if matches!(rate, Rate::OfMaximum(_)) && !has_maximum {
                    fields.problem(
                        &at,
                        "`of-maximum` needs a measured closed phase before it; or give a `rate`",
                    );
                }
            }
            PhaseKind::Start { .. } => {
                if scenario.customers.start.is_none() {
                    fields.problem(&at, "a start phase needs [customers.start], the event sent");
                }
            }
            PhaseKind::Restart { .. } if scenario.node.count > 1 => {
                fields.problem(
                    &at,
                    "a restart phase ends the one node of a run; leave node.count out",
                );
            }
            PhaseKind::Storm | PhaseKind::Restart { .. } => {}
        }
    }
    let sends =
        |kind: &PhaseKind| matches!(kind, PhaseKind::Closed { .. } | PhaseKind::Open { .. });
    if scenario.phases.iter().any(|phase| sends(&phase.kind)) && scenario.traffic.events.is_empty()
    {
        fields.problem(
            "traffic.events",
            "a closed or open phase needs events to send",
        );
    }
    let in_flight_max = match scenario.traffic.form {
        Form::Stream => STREAM_IN_FLIGHT_MAX,
        Form::Calls => CALLS_IN_FLIGHT_MAX,
    };
    if scenario.traffic.in_flight as usize > in_flight_max {
        let text = format!("must be at most {in_flight_max} with this form");
        fields.problem("traffic.in-flight", &text);
    }
    if scenario.traffic.refusals_allowed && scenario.traffic.form == Form::Stream {
        fields.problem(
            "traffic.refusals-allowed",
            "needs form = \"calls\": on a stream what was refused is sent again, or nothing gets past it",
        );
    }
    let shares = scenario.traffic.duplicates + scenario.traffic.bad;
    if shares >= 1.0 {
        fields.problem("traffic", "`duplicates` and `bad` together must be below 1");
    }
}

fn read_node(table: Table, problems: &mut Vec<String>) -> NodeSettings {
    let mut fields = Fields::new("node", table, problems);
    // Its keys are the node's: journeyd itself refuses unknown ones when it starts.
    let config = fields.table("config");
    let count = fields.number("count", Some(1), 1..=NODES_MAX);
    fields.end();
    NodeSettings { count, config }
}

fn read_customers(table: Table, problems: &mut Vec<String>) -> Customers {
    let mut fields = Fields::new("customers", table, problems);
    let start = fields.has("start");
    let start_table = fields.table("start");
    let instances = fields.has("instances");
    let n_instances = fields.number("instances", Some(0), 0..=1_000);
    let history = fields.text("history", Some(""));
    let customers = Customers {
        count: fields.number("count", Some(10_000), 1..=CUSTOMERS_MAX),
        sample: fields.number("sample", Some(200), 0..=SAMPLE_MAX),
        instances: instances.then_some(n_instances),
        history: (!history.is_empty()).then_some(history),
        due_after: fields.span("due-after", "5s"),
        due_after_per_thousand: fields.span("due-after-per-thousand", "100ms"),
        start: start.then(|| read_event("customers.start", start_table, fields.problems())),
    };
    fields.end();
    customers
}

fn read_traffic(table: Table, problems: &mut Vec<String>) -> Traffic {
    let mut fields = Fields::new("traffic", table, problems);
    let form = fields.word("form", &[("stream", Form::Stream), ("calls", Form::Calls)]);
    let tables = fields.tables("events");
    let events = tables.into_iter().enumerate();
    let events = events
        .map(|(idx, table)| {
            let path = format!("traffic.events[{idx}]");
            read_event(&path, table, fields.problems())
        })
        .collect();
    let traffic = Traffic {
        form: form.unwrap_or(Form::Stream),
        connections: fields.number("connections", Some(4), 1..=CONNECTIONS_MAX),
        batch: fields.number("batch", Some(256), 1..=BATCH_MAX),
        in_flight: fields.number("in-flight", Some(4), 1..=i64::from(u16::MAX)),
        events,
        duplicates: fields.real("duplicates", 0.0, 0.5),
        bad: fields.real("bad", 0.0, 0.5),
        hot: fields.real("hot", 0.0, 1.0),
        refusals_allowed: fields.boolean("refusals-allowed", false),
    };
    fields.end();
    traffic
}

fn read_event(path: &str, table: Table, problems: &mut Vec<String>) -> EventKind {
    let mut fields = Fields::new(path, table, problems);
    let name = fields.text("name", None);
    let weight = fields.number("weight", Some(1), 1..=1_000_000);
    let table = fields.table("properties");
    let mut properties = Vec::new();
    for (key, value) in table {
        match property(&value) {
            Some(property) => properties.push((key, property)),
            None => {
                let text = format!(
                    "`{key}` must be text, a number, true or false, `{{sent}}`, `{{number}}` or `{{due}}`"
                );
                fields.problem("properties", &text);
            }
        }
    }
    fields.end();
    EventKind {
        name,
        weight,
        properties,
    }
}

fn property(value: &toml::Value) -> Option<Property> {
    match value {
        toml::Value::String(text) => match text.as_str() {
            "{sent}" => Some(Property::Sent),
            "{number}" => Some(Property::Number),
            "{due}" => Some(Property::Due),
            text if text.starts_with('{') => None,
            text => Some(Property::Fixed(Value::text(text))),
        },
        toml::Value::Integer(n) => Some(Property::Fixed(Value::Int(*n))),
        toml::Value::Float(n) => Some(Property::Fixed(Value::number(*n))),
        toml::Value::Boolean(is_it) => Some(Property::Fixed(Value::Bool(*is_it))),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

fn read_worker(table: Table, problems: &mut Vec<String>) -> WorkerSettings {
    let mut fields = Fields::new("worker", table, problems);
    let worker = WorkerSettings {
        streams: fields.number("streams", Some(2), 1..=16),
        credit: fields.number("credit", Some(1_000), 1..=10_000),
    };
    fields.end();
    worker
}

fn read_phases(tables: Vec<Table>, problems: &mut Vec<String>) -> Vec<Phase> {
    let tables = tables.into_iter().enumerate();
    tables
        .map(|(idx, table)| {
            let mut fields = Fields::new(&format!("phases[{idx}]"), table, problems);
            let phase = read_phase(&mut fields);
            fields.end();
            phase
        })
        .collect()
}

fn read_phase(fields: &mut Fields<'_>) -> Phase {
    let name = fields.text("name", None);
    let is_measured = fields.boolean("measured", true);
    if !fields.has("kind") {
        fields.problem("kind", "is missing: start, closed, open, restart or storm");
    }
    let kinds = ["start", "closed", "open", "restart", "storm"];
    let kind = fields.word("kind", &kinds.map(|kind| (kind, kind)));
    let kind = match kind.unwrap_or("start") {
        "closed" => {
            let has_events = fields.has("events");
            if has_events && fields.has("seconds") {
                fields.problem("", "`seconds` or `events`, not both");
            }
            let events = fields.number("events", Some(1), 1..=PHASE_EVENTS_MAX);
            let seconds = fields.number("seconds", Some(10), 1..=PHASE_SECONDS_MAX);
            let extent = if has_events {
                Extent::Events(events)
            } else {
                Extent::Seconds(seconds)
            };
            PhaseKind::Closed { extent }
        }
        "open" => {
            let seconds = fields.number("seconds", Some(10), 1..=PHASE_SECONDS_MAX);
            let both = (fields.has("rate"), fields.has("of-maximum"));
            let rate = fields.real("rate", 0.0, 1e7);
            let of_maximum = fields.real("of-maximum", 0.0, 100.0);
            let rate = match both {
                (true, false) => Rate::PerSecond(rate),
                (false, true) => Rate::OfMaximum(of_maximum),
                (true, true) | (false, false) => {
                    fields.problem(
                        "",
                        "an open phase needs `rate` or `of-maximum`, one of them",
                    );
                    Rate::PerSecond(1.0)
                }
            };
            PhaseKind::Open { seconds, rate }
        }
        "restart" => {
            let how = fields.word("how", &[("kill", Ending::Kill), ("stop", Ending::Stop)]);
            PhaseKind::Restart {
                how: how.unwrap_or(Ending::Kill),
            }
        }
        "storm" => PhaseKind::Storm,
        _ => PhaseKind::Start {
            share: fields.real("share", 1.0, 1.0),
        },
    };
    Phase {
        name,
        kind,
        is_measured,
    }
}
