//! The `content` document: what is said, one variant per channel.

use std::collections::BTreeMap;

use journey_types::{Channel, ContentId, ContentVersion, Value};

use crate::canonical::map;
use crate::content::{Content, ContentSite, Variant};
use crate::fields::Fields;
use crate::reading::Reader;
use crate::yaml::{Entry, Node, NodeValue};

/// What a variant may carry; a channel's worker takes what its channel knows.
const TEMPLATE_FIELDS: [&str; 8] = [
    "subject",
    "preheader",
    "title",
    "body",
    "html",
    "image",
    "link",
    "sender",
];
/// Ways to choose a variant that are not delivered: there is one per channel.
const CHOICES_LATER: [&str; 3] = ["locale", "tone", "stage"];

/// Reads `content: id` with its `variants`.
pub(crate) fn read_content(reader: &mut Reader<'_, '_>, root: &Node) -> Option<Content> {
    let n_errors = reader.problems.n_errors();
    let mut fields = Fields::of(root, "a content", reader.problems)?;
    let id = fields.require("content", reader.problems);
    let variants = fields.require("variants", reader.problems);
    fields.finish(reader.problems);
    let id: Option<ContentId> = id.and_then(|node| reader.id(node));
    let mut by_channel: BTreeMap<Channel, Variant> = BTreeMap::new();
    let mut templates: BTreeMap<(Channel, String), &Node> = BTreeMap::new();
    for item in variants.map_or(&[][..], |node| reader.items(node, "variants")) {
        let Some((channel, variant, nodes)) = read_variant(reader, item) else {
            continue;
        };
        for (field, node) in nodes {
            templates.insert((channel.clone(), field), node);
        }
        if by_channel.contains_key(&channel) {
            let message = format!("there are two variants for channel `{channel}`");
            let advice = "keep one: choosing between variants of a channel is not available yet";
            reader.problems.error(item.span.clone(), message, advice);
        }
        by_channel.insert(channel, variant);
    }
    (reader.problems.n_errors() == n_errors).then_some(())?;
    let site = ContentSite {
        traits: reader.known.schemas.trait_names(),
    };
    match Content::compile(id?, ContentVersion::default(), by_channel, &site) {
        Ok(content) => Some(content),
        Err(problems) => {
            for problem in problems {
                let template = templates.get(&(problem.channel, problem.field));
                let place = template.and_then(|node| {
                    let NodeValue::Text(text) = &node.value else {
                        return None;
                    };
                    Some(reader.place_of(node, text, problem.range))
                });
                let suggestion = problem
                    .suggestion
                    .map(|suggestion| format!("did you mean `{suggestion}`?"));
                let place = place.unwrap_or_else(|| root.span.clone());
                reader
                    .problems
                    .error_with(place, problem.message, suggestion);
            }
            None
        }
    }
}

/// A variant with the nodes of its templates.
type ReadVariant<'n> = (Channel, Variant, Vec<(String, &'n Node)>);

fn read_variant<'n>(reader: &mut Reader<'_, '_>, node: &'n Node) -> Option<ReadVariant<'n>> {
    let mut fields = Fields::of(node, "a variant", reader.problems)?;
    let channel = fields.require("channel", reader.problems);
    fields.refuse_later(&CHOICES_LATER, reader.problems);
    let templates: Vec<&'n Entry> = TEMPLATE_FIELDS
        .into_iter()
        .filter_map(|name| fields.take_entry(name))
        .collect();
    let span = fields.span();
    fields.finish(reader.problems);
    let channel = channel.and_then(|node| reader.id::<Channel>(node));
    if templates.is_empty() {
        let message = "this variant says nothing";
        let advice = "add a `body`";
        reader.problems.error(span, message, advice);
        return None;
    }
    let mut texts = BTreeMap::new();
    let mut nodes = Vec::new();
    for Entry { key, value } in templates {
        if let Some(text) = reader.text(value, "a template, as text,") {
            texts.insert(key.text.clone(), text.to_owned());
            nodes.push((key.text.clone(), value));
        }
    }
    Some((channel?, Variant { fields: texts }, nodes))
}

/// The canonical form: variants by channel.
pub(crate) fn canonical(content: &Content) -> Value {
    let variant = |(channel, variant): (&Channel, &Variant)| {
        let fields = variant
            .fields
            .iter()
            .map(|(name, template)| (name.clone(), Value::text(template.as_str())))
            .collect();
        (channel.to_string(), Value::Map(fields))
    };
    map([
        ("content", Value::text(content.id.as_str())),
        (
            "variants",
            Value::Map(content.variants.iter().map(variant).collect()),
        ),
    ])
}
