//! The scope as templates see it: only what a variant names is converted.

use std::collections::{BTreeMap, BTreeSet};

use journey_types::{CustomerEvent, Value};
use minijinja::value::Value as TemplateValue;

use super::needs::Needs;
use crate::expression::{EvaluationError, zoned};
use crate::scope::{CustomerScope, InstanceScope, Scope};

/// What the templates of one variant name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reads {
    pub(super) needs: Needs,
    pub(super) entry: bool,
    pub(super) input: bool,
    pub(super) instance: bool,
    pub(super) vars: bool,
    pub(super) local: bool,
    pub(super) customer: bool,
    /// Top-level traits; `*` for all.
    pub(super) traits: BTreeSet<String>,
}

/// The variables of a rendering. What is legally absent (a device, a lifecycle stage) is left out, so that a template
/// that prints it without `default(…)` fails.
pub(super) fn context(reads: &Reads, scope: &Scope<'_>) -> Result<TemplateValue, EvaluationError> {
    let mut roots = BTreeMap::new();
    roots.insert("now", TemplateValue::from(scope.now.to_string()));
    if reads.customer {
        roots.insert("customer", customer(reads, &scope.customer));
    }
    if reads.entry
        && let Some(entry) = scope.entry
    {
        roots.insert("entry", event(entry));
    }
    if reads.input {
        let input = scope.input.into_iter().flatten();
        roots.insert("input", map(input));
    }
    if reads.instance
        && let Some(instance) = scope.instance
    {
        roots.insert("instance", instance_value(&instance));
    }
    if reads.vars
        && let Some(vars) = scope.vars
    {
        roots.insert("vars", map(vars.iter()));
    }
    if reads.local {
        let zoned = zoned(scope.now.unix_ms(), scope.customer.zone)?;
        let weekday = zoned.weekday().to_monday_one_offset();
        let fields = [
            ("hour", TemplateValue::from(zoned.hour())),
            ("minute", TemplateValue::from(zoned.minute())),
            ("weekday", TemplateValue::from(weekday)),
            ("date", TemplateValue::from(zoned.date().to_string())),
        ];
        roots.insert("local", TemplateValue::from_pairs(fields));
    }
    Ok(TemplateValue::from_pairs(roots))
}

fn customer(reads: &Reads, customer: &CustomerScope<'_>) -> TemplateValue {
    let reads_all = reads.traits.contains("*");
    let traits = customer
        .traits
        .iter()
        .filter(|(name, _)| reads_all || reads.traits.contains(*name));
    let mut fields = BTreeMap::from([
        ("id", TemplateValue::from(customer.id.as_str())),
        ("zone", TemplateValue::from(customer.zone)),
        ("traits", map(traits)),
    ]);
    if let Some(lifecycle) = customer.lifecycle {
        fields.insert("lifecycle", TemplateValue::from(lifecycle));
    }
    if let Some(locale) = customer.traits.get("locale").and_then(Value::as_text) {
        fields.insert("locale", TemplateValue::from(locale));
    }
    TemplateValue::from_pairs(fields)
}

fn instance_value(instance: &InstanceScope<'_>) -> TemplateValue {
    let mut fields = BTreeMap::from([
        ("step", TemplateValue::from(instance.step.as_str())),
        (
            "entered_at",
            TemplateValue::from(instance.entered_at.to_string()),
        ),
    ]);
    if let Some(key) = instance.key {
        fields.insert("key", TemplateValue::from(key));
    }
    TemplateValue::from_pairs(fields)
}

fn event(event: &CustomerEvent) -> TemplateValue {
    let mut fields = BTreeMap::from([
        ("name", TemplateValue::from(event.name.as_str())),
        ("id", TemplateValue::from(event.id.as_str())),
        ("source", TemplateValue::from(event.source.as_str())),
        (
            "customer_id",
            TemplateValue::from(event.customer.customer.as_str()),
        ),
        (
            "occurred_at",
            TemplateValue::from(event.occurred_at.to_string()),
        ),
        ("properties", map(event.properties.iter())),
    ]);
    for (name, text) in [("channel", &event.channel), ("device", &event.device)] {
        if let Some(text) = text {
            fields.insert(name, TemplateValue::from(text.as_str()));
        }
    }
    TemplateValue::from_pairs(fields)
}

fn map<'v>(fields: impl Iterator<Item = (&'v String, &'v Value)>) -> TemplateValue {
    TemplateValue::from_pairs(fields.map(|(name, value)| (name.clone(), converted(value))))
}

/// Times are RFC 3339 text.
fn converted(value: &Value) -> TemplateValue {
    match value {
        Value::Null => TemplateValue::from(()),
        Value::Bool(flag) => TemplateValue::from(*flag),
        Value::Int(number) => TemplateValue::from(*number),
        Value::Double(number) => TemplateValue::from(*number),
        Value::Text(text) => TemplateValue::from(text.as_str()),
        Value::Time(instant) => TemplateValue::from(instant.to_string()),
        Value::List(items) => items.iter().map(converted).collect(),
        Value::Map(fields) => map(fields.iter()),
    }
}
