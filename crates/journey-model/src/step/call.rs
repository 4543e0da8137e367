//! `call: { worker: queue, input: { a: CEL } }` or `call: { webhook: connector, input: … }`: a program does something and
//! answers.

use std::collections::BTreeMap;

use journey_types::{ConnectorId, Destination, QueueId, Value};

use super::input;
use crate::expression::{nearest, one_of};
use crate::fields::Fields;
use crate::plan::CallStep;
use crate::reading::Reader;
use crate::yaml::Node;

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<CallStep> {
    let mut fields = Fields::of(node, "a `call`", reader.problems)?;
    let span = fields.span();
    let worker = fields.take("worker");
    let webhook = fields.take("webhook");
    let given = fields.take("input");
    let is_misspelt = fields.has_near_to("worker") || fields.has_near_to("webhook");
    fields.finish(reader.problems);
    let to = match (worker, webhook) {
        (Some(queue), None) => reader.id::<QueueId>(queue).map(Destination::Queue),
        (None, Some(connector)) => read_connector(reader, connector).map(Destination::Connector),
        (Some(_), Some(_)) => {
            let message = "a `call` goes to a `worker` or to a `webhook`, not to both";
            reader
                .problems
                .error(span, message, "leave one of them out");
            None
        }
        (None, None) => {
            if !is_misspelt {
                let message = "a `call` says not whom it calls";
                let advice = "add `worker: queue` or `webhook: connector`";
                reader.problems.error(span, message, advice);
            }
            None
        }
    };
    let input = input::read(reader, given, "`input` of a `call`");
    Some(CallStep {
        to: to?,
        input: input?,
    })
}

/// Only a node knows its connectors: where they are known, the name is held against them.
fn read_connector(reader: &mut Reader<'_, '_>, node: &Node) -> Option<ConnectorId> {
    let id: ConnectorId = reader.id(node)?;
    let Some(connectors) = &reader.known.connectors else {
        return Some(id);
    };
    if !connectors.contains(&id) {
        let names = || connectors.iter().map(ConnectorId::as_str);
        let suggestion = match nearest(id.as_str(), names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if connectors.is_empty() => {
                "this node has none; declare it in the node's configuration, under `[connectors]`"
                    .to_owned()
            }
            None => format!(
                "there is {}; declare others in the node's configuration, under `[connectors]`",
                one_of(names())
            ),
        };
        let message = format!("there is no connector `{id}`");
        let span = node.span.clone();
        reader.problems.error(span, message, suggestion);
    }
    Some(id)
}

pub(super) fn canonical(call: &CallStep) -> Value {
    let to = match &call.to {
        Destination::Queue(queue) => ("worker", queue.as_str()),
        Destination::Connector(connector) => ("webhook", connector.as_str()),
        Destination::Channel(channel) => ("channel", channel.as_str()),
    };
    Value::Map(BTreeMap::from([
        (to.0.to_owned(), Value::text(to.1)),
        ("input".to_owned(), input::canonical(&call.input)),
    ]))
}
