//! The `content` document: what is said, one variant per channel and locale.

use std::collections::BTreeMap;

use journey_types::{Channel, ContentId, ContentVersion, Value};

use crate::canonical::map;
use crate::content::{Content, ContentSite, Variant, canonical_locale};
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
/// Ways to choose a variant that are not delivered.
const CHOICES_LATER: [&str; 2] = ["tone", "stage"];

/// Reads `content: id` with its `variants`.
pub(crate) fn read_content(reader: &mut Reader<'_, '_>, root: &Node) -> Option<Content> {
    let n_errors = reader.problems.n_errors();
    let mut fields = Fields::of(root, "a content", reader.problems)?;
    let id = fields.require("content", reader.problems);
    let variants = fields.require("variants", reader.problems);
    fields.finish(reader.problems);
    let id: Option<ContentId> = id.and_then(|node| reader.id(node));
    let mut by_channel: BTreeMap<Channel, Vec<Variant>> = BTreeMap::new();
    let mut templates: BTreeMap<(Channel, usize, String), &Node> = BTreeMap::new();
    for item in variants.map_or(&[][..], |node| reader.items(node, "variants")) {
        let Some((channel, variant, nodes)) = read_variant(reader, item) else {
            continue;
        };
        let listed = by_channel.entry(channel.clone()).or_default();
        for (field, node) in nodes {
            templates.insert((channel.clone(), listed.len(), field), node);
        }
        if listed.iter().any(|known| known.locale == variant.locale) {
            let whom = match &variant.locale {
                Some(locale) => format!(" and locale `{locale}`"),
                None => String::new(),
            };
            let message = format!("there are two variants for channel `{channel}`{whom}");
            let advice = "keep one, or give one of them a `locale` of its own";
            reader.problems.error(item.span.clone(), message, advice);
        }
        listed.push(variant);
    }
    if let Some(node) = variants {
        warn_of_missing_defaults(reader, node, &by_channel);
    }
    (reader.problems.n_errors() == n_errors).then_some(())?;
    let site = ContentSite {
        traits: reader.known.schemas.trait_names(),
    };
    match Content::compile(id?, ContentVersion::default(), by_channel, &site) {
        Ok(content) => Some(content),
        Err(problems) => {
            for problem in problems {
                let template = templates.get(&(problem.channel, problem.position, problem.field));
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

/// A customer of another locale gets the first listed: its author should mean that.
fn warn_of_missing_defaults(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    by_channel: &BTreeMap<Channel, Vec<Variant>>,
) {
    for (channel, variants) in by_channel {
        let Some(first) = variants.first().and_then(|first| first.locale.as_ref()) else {
            continue;
        };
        if variants.iter().all(|variant| variant.locale.is_some()) {
            let message = format!("channel `{channel}` has no variant without `locale`");
            let advice =
                format!("customers of any other locale get `{first}`, the first listed; add one");
            reader.problems.warning(node.span.clone(), message, advice);
        }
    }
}

/// A variant with the nodes of its templates.
type ReadVariant<'n> = (Channel, Variant, Vec<(String, &'n Node)>);

fn read_variant<'n>(reader: &mut Reader<'_, '_>, node: &'n Node) -> Option<ReadVariant<'n>> {
    let mut fields = Fields::of(node, "a variant", reader.problems)?;
    let channel = fields.require("channel", reader.problems);
    let locale = fields.take("locale");
    fields.refuse_later(&CHOICES_LATER, reader.problems);
    let templates: Vec<&'n Entry> = TEMPLATE_FIELDS
        .into_iter()
        .filter_map(|name| fields.take_entry(name))
        .collect();
    let span = fields.span();
    fields.finish(reader.problems);
    let channel = channel.and_then(|node| reader.id::<Channel>(node));
    let locale = match locale {
        None => Some(None),
        Some(node) => read_locale(reader, node).map(Some),
    };
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
    let variant = Variant {
        locale: locale?,
        fields: texts,
    };
    Some((channel?, variant, nodes))
}

fn read_locale(reader: &mut Reader<'_, '_>, node: &Node) -> Option<String> {
    let text = reader.text(node, "a locale, as text,")?;
    let canonical = canonical_locale(text);
    if canonical.as_deref() == Some(text) {
        return canonical;
    }
    let message = format!("`{text}` is no locale: a language such as `en`, or `en-GB`, `zh-Hant`");
    let suggestion = canonical.map(|meant| format!("did you mean `{meant}`?"));
    reader
        .problems
        .error_with(node.span.clone(), message, suggestion);
    None
}

/// The canonical form: variants by channel; a list where there are locales, for its order decides who gets which.
pub(crate) fn canonical(content: &Content) -> Value {
    let fields_of = |variant: &Variant| {
        let fields = variant.fields.iter();
        let fields = fields.map(|(name, template)| (name.clone(), Value::text(template.as_str())));
        fields.collect::<BTreeMap<String, Value>>()
    };
    let localized = |variant: &Variant| {
        let mut fields = fields_of(variant);
        if let Some(locale) = &variant.locale {
            fields.insert("locale".to_owned(), Value::text(locale.as_str()));
        }
        Value::Map(fields)
    };
    let channel = |(channel, variants): (&Channel, &Vec<Variant>)| {
        let variants = match variants.as_slice() {
            [only @ Variant { locale: None, .. }] => Value::Map(fields_of(only)),
            several => Value::List(several.iter().map(localized).collect()),
        };
        (channel.to_string(), variants)
    };
    map([
        ("content", Value::text(content.id.as_str())),
        (
            "variants",
            Value::Map(content.variants.iter().map(channel).collect()),
        ),
    ])
}
