//! `delay: 2d`, and its forms `for`, `until` and `until_local`.

use std::collections::BTreeMap;

use journey_types::{TimeSpan, Value};

use super::Rest;
use crate::calendar::{WeekdaySet, ZoneChoice};
use crate::canonical::{weekdays, window, zone_choice};
use crate::expression::Position;
use crate::fields::Fields;
use crate::plan::Delay;
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::{Node, NodeValue};

const FORMS: &str = "write `2d`, `{ for: 2d, window: { hours: \"09:00-18:00\" } }`, `{ until: entry.properties.at, offset: -1d }` or `{ until_local: \"09:00\" }`";

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Delay> {
    if !matches!(node.value, NodeValue::Map(_)) {
        let span = reader.duration(node)?;
        return Some(Delay::For { span, window: None });
    }
    let mut fields = Fields::of(node, "a `delay`", reader.problems)?;
    let span = fields.take("for");
    let until = fields.take("until");
    let until_local = fields.take("until_local");
    let delay = match (span, until, until_local) {
        (Some(span), None, None) => read_for(reader, &mut fields, span),
        (None, Some(until), None) => read_until(reader, &mut fields, until),
        (None, None, Some(time)) => read_until_local(reader, &mut fields, time),
        (None, None, None) => {
            let message = "a `delay` needs one of `for`, `until` and `until_local`";
            reader.problems.error(fields.span(), message, FORMS);
            None
        }
        _ => {
            let message = "a `delay` has only one of `for`, `until` and `until_local`";
            reader.problems.error(fields.span(), message, FORMS);
            return None;
        }
    };
    fields.finish(reader.problems);
    delay
}

fn read_for(reader: &mut Reader<'_, '_>, fields: &mut Fields<'_>, node: &Node) -> Option<Delay> {
    let span = reader.duration(node);
    let window = fields.take("window").map(|node| reader.window(node));
    Some(Delay::For {
        span: span?,
        window: window.map_or(Some(None), |window| window.map(Some))?,
    })
}

fn read_until(reader: &mut Reader<'_, '_>, fields: &mut Fields<'_>, node: &Node) -> Option<Delay> {
    let site = ExpressionSite::at(Position::Instant);
    let at = reader.expression(node, site, "an expression that gives a time");
    let offset = fields
        .take("offset")
        .map(|node| reader.signed_duration(node));
    Some(Delay::Until {
        at: at?,
        offset: offset.unwrap_or(Some(TimeSpan::ZERO))?,
    })
}

fn read_until_local(
    reader: &mut Reader<'_, '_>,
    fields: &mut Fields<'_>,
    node: &Node,
) -> Option<Delay> {
    let time = reader.daily_time(node);
    let days = fields.take("days").map(|node| reader.weekdays(node));
    let zone = fields.take("zone").map(|node| reader.zone_choice(node));
    Some(Delay::UntilLocal {
        time: time?,
        days: days.unwrap_or(Some(WeekdaySet::ALL))?,
        zone: zone.unwrap_or(Some(ZoneChoice::Customer))?,
    })
}

pub(super) fn rest_of(delay: &Delay) -> Rest {
    match delay {
        Delay::For { span, window: None } if *span == TimeSpan::ZERO => Rest::Never,
        Delay::For { span, .. } if *span == TimeSpan::ZERO => Rest::Sometimes,
        // An instant that does not move with the clock lies in the past the second time.
        Delay::Until { at, .. } if !at.dependencies().time => Rest::Sometimes,
        // At 09:00:00.000 the next 09:00 is now: once round the loop it is a day away.
        Delay::UntilLocal { .. } => Rest::Sometimes,
        Delay::For { .. } | Delay::Until { .. } => Rest::Always,
    }
}

pub(super) fn canonical(delay: &Delay) -> Value {
    let fields = match delay {
        Delay::For { span, window: None } => {
            BTreeMap::from([("for", Value::text(span.to_string()))])
        }
        Delay::For {
            span,
            window: Some(moved_into),
        } => BTreeMap::from([
            ("for", Value::text(span.to_string())),
            ("window", window(moved_into)),
        ]),
        Delay::Until { at, offset } => BTreeMap::from([
            ("until", Value::text(at.source())),
            ("offset", Value::text(offset.to_string())),
        ]),
        Delay::UntilLocal { time, days, zone } => BTreeMap::from([
            ("until_local", Value::text(time.to_string())),
            ("days", weekdays(*days)),
            ("zone", zone_choice(zone)),
        ]),
    };
    let owned = |(name, value): (&str, Value)| (name.to_owned(), value);
    Value::Map(fields.into_iter().map(owned).collect())
}
