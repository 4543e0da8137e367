//! `message: { content: id, channels: [push, sms], await: granted }`, with `refused` beside it.

use std::collections::BTreeMap;

use journey_types::{Channel, ContentId, Value};

use super::{KindContext, Rest};
use crate::content::{Needs, lacks};
use crate::expression::{nearest, one_of};
use crate::fields::Fields;
use crate::plan::{MessageAwait, MessageStep};
use crate::reading::Reader;
use crate::yaml::Node;

const AWAITS: [(&str, MessageAwait); 3] = [
    ("granted", MessageAwait::Granted),
    ("sent", MessageAwait::Sent),
    ("delivered", MessageAwait::Delivered),
];

pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    context: &KindContext<'_>,
) -> Option<MessageStep> {
    let mut fields = Fields::of(node, "a `message`", reader.problems)?;
    let content = fields.require("content", reader.problems);
    let channels = fields.require("channels", reader.problems);
    let awaits = fields.take("await");
    if let Some(misplaced) = fields.take_entry("refused") {
        let message = "`refused` stands beside `message`, not inside it";
        let advice = "move it to the step, next to `next`";
        let span = misplaced.key.span.clone();
        reader.problems.error(span, message, advice);
    }
    fields.finish(reader.problems);
    let awaits = match awaits {
        None => Some(MessageAwait::Granted),
        Some(node) => reader.word(node, &AWAITS, &[]),
    };
    let content = content.and_then(|node| read_content(reader, node));
    let channels = channels.map(|node| read_channels(reader, node, content.as_ref()));
    Some(MessageStep {
        content: content?,
        channels: channels.filter(|channels| !channels.is_empty())?,
        awaits: awaits?,
        refused: context.refused,
    })
}

fn read_content(reader: &mut Reader<'_, '_>, node: &Node) -> Option<ContentId> {
    let id: ContentId = reader.id(node)?;
    let Some(contents) = &reader.known.contents else {
        return Some(id);
    };
    if !contents.contains_key(&id) && !reader.known.unreadable_contents.contains(&id) {
        let message = format!("there is no content `{id}`, neither here nor published");
        let suggestion = match nearest(id.as_str(), contents.keys().map(ContentId::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("add a document `content: {id}`"),
        };
        reader
            .problems
            .error(node.span.clone(), message, suggestion);
    }
    Some(id)
}

fn read_channels(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    content: Option<&ContentId>,
) -> Vec<Channel> {
    let mut channels: Vec<Channel> = Vec::new();
    for item in reader.items(node, "channels") {
        let Some(channel) = reader.id::<Channel>(item) else {
            continue;
        };
        if channels.contains(&channel) {
            let message = format!("channel `{channel}` is listed twice");
            reader.problems.error_only(item.span.clone(), message);
            continue;
        }
        let contents = reader.known.contents.as_ref();
        let variants = content.and_then(|id| contents?.get(id));
        if let (Some(variants), Some(content)) = (variants, content) {
            check_variant(reader, item, (&channel, content), variants);
        }
        channels.push(channel);
    }
    channels
}

/// Reports a channel that the content has nothing to say on.
fn check_variant(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    (channel, content): (&Channel, &ContentId),
    variants: &BTreeMap<Channel, Needs>,
) {
    if let Some(needs) = variants.get(channel) {
        for lack in lacks(*needs, reader.entrances) {
            let message = format!(
                "content `{content}` reads {} on `{channel}`, {}",
                lack.what, lack.why
            );
            let span = node.span.clone();
            if lack.is_sure {
                reader.problems.error(span, message, lack.advice);
            } else {
                reader.problems.warning(span, message, lack.advice);
            }
        }
        return;
    }
    let names = || variants.keys().map(Channel::as_str);
    let suggestion = match nearest(channel.as_str(), names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            let known = one_of(names());
            format!("it has {known}; add a variant or leave the channel out")
        }
    };
    let message = format!("content `{content}` has no variant for channel `{channel}`");
    reader
        .problems
        .error(node.span.clone(), message, suggestion);
}

pub(super) const fn rest_of(message: &MessageStep) -> Rest {
    match message.awaits {
        // A grant comes in the turn that asks for it.
        MessageAwait::Granted => Rest::Never,
        MessageAwait::Sent | MessageAwait::Delivered => Rest::Always,
    }
}

pub(super) fn canonical(message: &MessageStep) -> Value {
    let awaits = AWAITS
        .iter()
        .find(|(_, awaits)| *awaits == message.awaits)
        .map_or("granted", |(word, _)| *word);
    let channels = message
        .channels
        .iter()
        .map(|channel| Value::text(channel.as_str()))
        .collect();
    Value::Map(BTreeMap::from([
        ("content".to_owned(), Value::text(message.content.as_str())),
        ("channels".to_owned(), Value::List(channels)),
        ("await".to_owned(), Value::text(awaits)),
    ]))
}
