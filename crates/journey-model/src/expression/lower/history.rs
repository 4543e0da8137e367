//! Calls on `history` and `journeys`: their arguments are literals, so that publish knows what to count and watch.

use std::ops::Range;

use cel::common::ast::{CallExpr, IdedExpr};
use journey_types::{EventName, JourneyId, TimeSpan};

use super::Lowering;
use crate::expression::Expression;
use crate::expression::aggregate::{AggregateNeed, aggregate_id, canonical_source};
use crate::expression::limits::WINDOW_MAX;
use crate::expression::node::{HistoryKind, HistoryRead, JourneysRead, Node};
use crate::expression::problem::{nearest, one_of};
use crate::expression::site::{Position, Root, Site};

const HISTORY_CALLS: [(&str, HistoryKind); 5] = [
    ("count", HistoryKind::Count),
    ("absent", HistoryKind::Absent),
    ("first", HistoryKind::First),
    ("last", HistoryKind::Last),
    ("sum", HistoryKind::Sum),
];
const JOURNEYS_CALLS: [(&str, JourneysRead); 3] = [
    ("active", JourneysRead::Active),
    ("state", JourneysRead::State),
    ("outcome", JourneysRead::Outcome),
];

impl Lowering<'_> {
    /// `history.…(…)` and `journeys.…(…)`.
    pub(super) fn root_call(
        &mut self,
        root: Root,
        target_id: u64,
        id: u64,
        call: &CallExpr,
    ) -> Option<Node> {
        let name = root.name();
        if let Some(reason) = self.site.refusal(root) {
            let range = self.parsed.range(target_id);
            return self.refuse(range, format!("`{name}` cannot be used here: {reason}"));
        }
        let function = call.func_name.as_str();
        let range = self.parsed.function_range(id);
        if root == Root::History {
            if let Some((_, kind)) = HISTORY_CALLS.iter().find(|(known, _)| *known == function) {
                return self.history(*kind, range, call);
            }
            return self.no_such_call(
                name,
                function,
                range,
                HISTORY_CALLS.map(|(known, _)| known).as_slice(),
            );
        }
        if let Some((_, read)) = JOURNEYS_CALLS.iter().find(|(known, _)| *known == function) {
            return self.journeys(*read, range, call);
        }
        self.no_such_call(
            name,
            function,
            range,
            JOURNEYS_CALLS.map(|(known, _)| known).as_slice(),
        )
    }

    fn no_such_call(
        &mut self,
        root: &str,
        function: &str,
        range: Range<usize>,
        known: &[&'static str],
    ) -> Option<Node> {
        let suggestion = nearest(function, known.iter().copied()).map(str::to_owned);
        let known = one_of(known.iter().copied());
        self.report(
            range,
            format!("`{root}` has no function `{function}`: it has {known}"),
            suggestion,
        );
        None
    }

    fn journeys(
        &mut self,
        read: JourneysRead,
        range: Range<usize>,
        call: &CallExpr,
    ) -> Option<Node> {
        let [argument] = call.args.as_slice() else {
            return self.refuse(
                range,
                "it takes one journey id, such as `journeys.active('welcome')`",
            );
        };
        let text = self.literal_argument(argument, "the journey id")?;
        let range = self.parsed.range(argument.id);
        let journey = match JourneyId::new(&text) {
            Ok(journey) => journey,
            Err(error) => return self.refuse(range, error.to_string()),
        };
        if let Some(known) = self.site.journeys
            && !known.contains(&journey)
        {
            let suggestion = nearest(&text, known.iter().map(JourneyId::as_str))
                .map(crate::expression::parse::quoted);
            self.report(
                range,
                format!("there is no journey `{journey}`, neither published nor in these files"),
                suggestion,
            );
            return None;
        }
        Some(Node::Journeys { read, journey })
    }

    fn history(&mut self, kind: HistoryKind, range: Range<usize>, call: &CallExpr) -> Option<Node> {
        let usage = match kind {
            HistoryKind::Count => "history.count(name[, window[, filter]])",
            HistoryKind::Absent => "history.absent(name[, window[, filter]])",
            HistoryKind::First => "history.first(name[, filter])",
            HistoryKind::Last => "history.last(name[, filter])",
            HistoryKind::Sum => "history.sum(name, property[, window])",
        };
        let (name, property, window, filter) = match (kind, call.args.as_slice()) {
            (HistoryKind::Count | HistoryKind::Absent, [name]) => (name, None, None, None),
            (HistoryKind::Count | HistoryKind::Absent, [name, window]) => {
                (name, None, Some(window), None)
            }
            (HistoryKind::Count | HistoryKind::Absent, [name, window, filter]) => {
                (name, None, Some(window), Some(filter))
            }
            (HistoryKind::First | HistoryKind::Last, [name]) => (name, None, None, None),
            (HistoryKind::First | HistoryKind::Last, [name, filter]) => {
                (name, None, None, Some(filter))
            }
            (HistoryKind::Sum, [name, property]) => (name, Some(property), None, None),
            (HistoryKind::Sum, [name, property, window]) => {
                (name, Some(property), Some(window), None)
            }
            _ => return self.refuse(range, format!("the call is `{usage}`")),
        };
        // All four are looked at before giving up, so that every problem shows at once.
        let event = self.event_name(name);
        let property = property.map(|property| self.property(property));
        let window = window.map(|window| self.window(window));
        let filter = filter.map(|filter| self.filter(filter));
        let (event, property) = (event?, property.map_or(Some(None), |it| it.map(Some))?);
        let (window, filter) = (
            window.map_or(Some(None), |it| it.map(Some))?,
            filter.map_or(Some(None), |it| it.map(Some))?,
        );
        let canonical = filter
            .as_ref()
            .map(|filter| canonical_source(filter.source()));
        let aggregate = aggregate_id(&event, canonical.as_deref(), property.as_deref());
        self.need(AggregateNeed {
            id: aggregate,
            label: label(&event, property.as_deref(), canonical.as_deref()),
            event,
            filter,
            property,
            window,
        });
        Some(Node::History(HistoryRead {
            kind,
            aggregate,
            window,
        }))
    }

    /// Notes what must be counted; calls that differ in the window alone share one count.
    fn need(&mut self, need: AggregateNeed) {
        match self.aggregates.iter_mut().find(|known| known.id == need.id) {
            Some(known) => known.window = known.window.max(need.window),
            None => self.aggregates.push(need),
        }
    }

    fn event_name(&mut self, argument: &IdedExpr) -> Option<EventName> {
        let text = self.literal_argument(argument, "the event name")?;
        EventName::new(&text)
            .map_err(|error| self.report(self.parsed.range(argument.id), error.to_string(), None))
            .ok()
    }

    fn property(&mut self, argument: &IdedExpr) -> Option<String> {
        let text = self.literal_argument(argument, "the property")?;
        let path = text.strip_prefix("event.properties.").unwrap_or(&text);
        if path.is_empty() || path.split('.').any(str::is_empty) {
            let range = self.parsed.range(argument.id);
            self.report(
                range,
                "the property is a name or a path such as `'value'` or `'basket.total'`",
                None,
            );
            return None;
        }
        Some(path.to_owned())
    }

    fn window(&mut self, argument: &IdedExpr) -> Option<TimeSpan> {
        let text = self.literal_argument(argument, "the window")?;
        let range = self.parsed.range(argument.id);
        match TimeSpan::parse(&text) {
            Ok(window) if window <= TimeSpan::ZERO => {
                self.report(range, "the window must be longer than nothing", None);
                None
            }
            Ok(window) if window > WINDOW_MAX => {
                self.report(
                    range,
                    "the window may span at most 10 years; without a window all events count",
                    None,
                );
                None
            }
            Ok(window) => Some(window),
            Err(reason) => {
                self.report(range, reason, None);
                None
            }
        }
    }

    fn filter(&mut self, argument: &IdedExpr) -> Option<Expression> {
        let text = self.literal_argument(argument, "the filter")?;
        let site = Site {
            position: Position::HistoryFilter,
            event_properties: None,
            ..*self.site
        };
        match Expression::compile(&text, &site) {
            Ok(filter) => Some(filter),
            Err(problems) => {
                let range = self.parsed.range(argument.id);
                for problem in problems {
                    let part = text.get(problem.range.clone()).unwrap_or_default();
                    let part = if part.is_empty() {
                        String::new()
                    } else {
                        format!(" at `{part}`")
                    };
                    let hint = problem
                        .suggestion
                        .map(|it| format!("; write `{it}`"))
                        .unwrap_or_default();
                    self.report(
                        range.clone(),
                        format!("in the filter{part}: {}{hint}", problem.message),
                        None,
                    );
                }
                None
            }
        }
    }

    fn literal_argument(&mut self, argument: &IdedExpr, what: &str) -> Option<String> {
        if let Some(text) = self.literal_text(argument) {
            return Some(text.to_owned());
        }
        let range = self.parsed.extent(argument);
        let name = &self.parsed.source[range.clone()];
        let is_name = name.starts_with(char::is_alphabetic) && !name.contains('.');
        let suggestion = is_name.then(|| crate::expression::parse::quoted(name));
        self.report(
            range,
            format!("{what} must be literal text: publish decides what is counted and watched"),
            suggestion,
        );
        None
    }
}

fn label(event: &EventName, property: Option<&str>, filter: Option<&str>) -> String {
    let filter = filter
        .map(|filter| format!(" where {filter}"))
        .unwrap_or_default();
    match property {
        Some(property) => format!("sum({event}, {property}{filter})"),
        None => format!("count({event}{filter})"),
    }
}
