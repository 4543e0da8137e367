//! Durations, times of day, weekdays, zones and windows.

use journey_types::TimeSpan;
use journey_types::limits::DELAY_MAX;

use super::Reader;
use crate::calendar::{DailyTime, WeekdaySet, Window, ZoneChoice, is_zone, nearest_zone};
use crate::fields::Fields;
use crate::yaml::{Node, NodeValue};

impl Reader<'_, '_> {
    /// A duration from 0 to 10 years.
    pub(crate) fn duration(&mut self, node: &Node) -> Option<TimeSpan> {
        let text = match &node.value {
            NodeValue::Text(text) => text.as_str(),
            NodeValue::Int(_) | NodeValue::Double(_) => {
                let message = format!("a duration needs a unit, found {}", node.description());
                let suggestion = "units are ms, s, m, h, d and w: `45s`, `30m`, `1.5h`, `2d`, `1w`";
                self.problems.error(node.span.clone(), message, suggestion);
                return None;
            }
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::List(_)
            | NodeValue::Map(_)
            | NodeValue::Refused => {
                self.expected(node, "a duration such as `2d`");
                return None;
            }
        };
        if text.starts_with('-') {
            let message = "time does not run backwards here: a duration is not negative";
            self.problems.error_only(node.span.clone(), message);
            return None;
        }
        self.duration_text(node, text)
    }

    /// A duration above zero.
    pub(crate) fn positive_duration(&mut self, node: &Node) -> Option<TimeSpan> {
        let span = self.duration(node)?;
        if span == TimeSpan::ZERO {
            self.problems
                .error_only(node.span.clone(), "a duration above zero is expected here");
            return None;
        }
        Some(span)
    }

    /// A duration that may be negative: `-1d`.
    pub(crate) fn signed_duration(&mut self, node: &Node) -> Option<TimeSpan> {
        let NodeValue::Text(text) = &node.value else {
            return self.duration(node);
        };
        let span = self.duration_text(node, text.strip_prefix(['-', '+']).unwrap_or(text))?;
        Some(if text.starts_with('-') {
            TimeSpan::from_ms(-span.ms())
        } else {
            span
        })
    }

    fn duration_text(&mut self, node: &Node, text: &str) -> Option<TimeSpan> {
        match TimeSpan::parse(text) {
            Ok(span) if span <= DELAY_MAX => Some(span),
            Ok(_) => {
                let message = format!("`{text}` is longer than 10 years ({DELAY_MAX})");
                self.problems.error_only(node.span.clone(), message);
                None
            }
            Err(message) => {
                let (message, suggestion) = match message.split_once("; ") {
                    Some((what, forms)) => (what.to_owned(), Some(forms.to_owned())),
                    None => (message, None),
                };
                self.problems
                    .error_with(node.span.clone(), message, suggestion);
                None
            }
        }
    }

    /// A time of day, 00:00 to 23:59.
    pub(crate) fn daily_time(&mut self, node: &Node) -> Option<DailyTime> {
        let parsed = match &node.value {
            NodeValue::Text(text) => DailyTime::parse(text).filter(|time| !time.is_end_of_day()),
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Int(_)
            | NodeValue::Double(_)
            | NodeValue::List(_)
            | NodeValue::Map(_)
            | NodeValue::Refused => None,
        };
        if parsed.is_none() {
            self.expected(node, "a time of day such as `\"09:00\"`");
        }
        parsed
    }

    /// Weekdays: `[mon-fri, sun]`.
    pub(crate) fn weekdays(&mut self, node: &Node) -> Option<WeekdaySet> {
        let mut days = WeekdaySet::NONE;
        for item in self.items(node, "weekdays") {
            let parsed = match &item.value {
                NodeValue::Text(text) => WeekdaySet::parse_item(text),
                NodeValue::Null
                | NodeValue::Bool(_)
                | NodeValue::Int(_)
                | NodeValue::Double(_)
                | NodeValue::List(_)
                | NodeValue::Map(_)
                | NodeValue::Refused => None,
            };
            match parsed {
                Some(parsed) => days = days.union(parsed),
                None => self.expected(item, "a weekday such as `mon` or a range such as `mon-fri`"),
            }
        }
        (days != WeekdaySet::NONE).then_some(days)
    }

    /// `customer` or an IANA zone.
    pub(crate) fn zone_choice(&mut self, node: &Node) -> Option<ZoneChoice> {
        if matches!(&node.value, NodeValue::Text(text) if text == "customer") {
            return Some(ZoneChoice::Customer);
        }
        self.zone(node).map(ZoneChoice::Named)
    }

    /// An IANA zone.
    pub(crate) fn zone(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node, "a zone such as the text `Europe/London`")?;
        if is_zone(text) {
            return Some(text.to_owned());
        }
        let message = format!("`{text}` is no zone of the IANA database");
        let suggestion = match nearest_zone(text) {
            Some(zone) => format!("did you mean `{zone}`?"),
            None => "zones are named like `Europe/London`".to_owned(),
        };
        self.problems.error(node.span.clone(), message, suggestion);
        None
    }

    /// `{ zone: customer, days: [mon-fri], hours: "09:00-18:00" }`.
    pub(crate) fn window(&mut self, node: &Node) -> Option<Window> {
        let mut fields = Fields::of(node, "a window", self.problems)?;
        let zone = fields.take("zone").map(|node| self.zone_choice(node));
        let days = fields.take("days").map(|node| self.weekdays(node));
        let hours = fields.take("hours").map(|node| self.hours(node));
        if days.is_none() && hours.is_none() && !fields.has("hour") && !fields.has("day") {
            self.problems.error(
                fields.span(),
                "a window without `days` and `hours` is always open",
                "add `days: [mon-fri]`, `hours: \"09:00-18:00\"`, or both",
            );
        }
        fields.finish(self.problems);
        let whole_day = (
            DailyTime { minute_of_day: 0 },
            DailyTime {
                minute_of_day: 1_440,
            },
        );
        let (from, to) = hours.unwrap_or(Some(whole_day))?;
        Some(Window {
            zone: zone.unwrap_or(Some(ZoneChoice::Customer))?,
            days: days.unwrap_or(Some(WeekdaySet::ALL))?,
            from,
            to,
        })
    }

    fn hours(&mut self, node: &Node) -> Option<(DailyTime, DailyTime)> {
        let text = self.text(node, "hours such as the text `\"09:00-18:00\"`")?;
        let parsed = text.split_once('-').and_then(|(from, to)| {
            let from = DailyTime::parse(from).filter(|time| !time.is_end_of_day())?;
            Some((from, DailyTime::parse(to)?))
        });
        let Some((from, to)) = parsed else {
            self.expected(node, "hours such as `\"09:00-18:00\"`");
            return None;
        };
        if from == to {
            self.problems.error(
                node.span.clone(),
                "a window that ends where it begins",
                "for the whole day leave `hours` out",
            );
            return None;
        }
        Some((from, to))
    }
}
