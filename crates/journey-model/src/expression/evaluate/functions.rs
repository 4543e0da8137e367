//! Functions and methods.

use journey_types::{TimeSpan, Timestamp};

use super::places::zoned;
use super::{Evaluation, Outcome};
use crate::expression::EvaluationError;
use crate::expression::node::{Function, Node, TimePart};
use crate::expression::operand::{Operand, fault};

/// 2^63: the first double beyond every i64.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

impl<'a> Evaluation<'a> {
    pub(super) fn call(&mut self, function: Function, arguments: &'a [Node]) -> Outcome<'a> {
        let Some((first, rest)) = arguments.split_first() else {
            // `optional.none()` alone takes no argument.
            return Ok(Operand::Optional(None));
        };
        let receiver = self.evaluate(first)?;
        match function {
            Function::Size => self.size(&receiver),
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                let other = self.argument(rest)?;
                self.text_test(function, &receiver, &other)
            }
            Function::LowerAscii | Function::UpperAscii | Function::Trim => {
                self.text_change(function, receiver)
            }
            Function::Int => to_int(receiver),
            Function::Double => to_double(receiver),
            Function::Text => to_text(receiver),
            Function::Bool => to_bool(&receiver),
            Function::Timestamp => to_time(&receiver),
            Function::Span => to_span(&receiver),
            Function::OptionalOf => Ok(Operand::some(receiver)),
            Function::OptionalNone => Ok(Operand::Optional(None)),
            Function::HasValue | Function::Value | Function::Or | Function::OrValue => {
                self.optional(function, receiver, rest)
            }
            Function::TimePart(part) => {
                let zone = match rest {
                    [] => None,
                    _ => Some(self.argument(rest)?),
                };
                time_part(part, &receiver, zone.as_ref())
            }
        }
    }

    fn argument(&mut self, rest: &'a [Node]) -> Outcome<'a> {
        match rest.first() {
            Some(argument) => self.evaluate(argument),
            None => Err(fault("an argument is missing")),
        }
    }

    fn size(&mut self, receiver: &Operand<'a>) -> Outcome<'a> {
        let size = if let Some(text) = receiver.as_text() {
            self.spend_text(text.len())?;
            text.chars().count()
        } else if let Some(n_items) = receiver.n_items().or_else(|| receiver.n_entries()) {
            n_items
        } else {
            return Err(no_such("size", receiver));
        };
        Ok(Operand::Int(i64::try_from(size).unwrap_or(i64::MAX)))
    }

    fn text_test(
        &mut self,
        function: Function,
        receiver: &Operand<'a>,
        other: &Operand<'a>,
    ) -> Outcome<'a> {
        let (Some(text), Some(part)) = (receiver.as_text(), other.as_text()) else {
            return Err(fault(format!(
                "text is tested for text, not {} for {}",
                receiver.kind(),
                other.kind()
            )));
        };
        self.spend_text(text.len() + part.len())?;
        Ok(Operand::Bool(match function {
            Function::StartsWith => text.starts_with(part),
            Function::EndsWith => text.ends_with(part),
            _ => text.contains(part),
        }))
    }

    fn text_change(&mut self, function: Function, receiver: Operand<'a>) -> Outcome<'a> {
        let Some(text) = receiver.as_text() else {
            return Err(fault(format!(
                "only text can be changed, not {}",
                receiver.kind()
            )));
        };
        self.spend_text(text.len())?;
        Ok(match function {
            Function::LowerAscii => Operand::made_text(text.to_ascii_lowercase()),
            Function::UpperAscii => Operand::made_text(text.to_ascii_uppercase()),
            _ => Operand::made_text(text.trim()),
        })
    }

    fn optional(
        &mut self,
        function: Function,
        receiver: Operand<'a>,
        rest: &'a [Node],
    ) -> Outcome<'a> {
        let Operand::Optional(inner) = &receiver else {
            return Err(fault(format!(
                "`value`, `hasValue`, `or` and `orValue` belong to optionals such as `a.?b`, not to {}",
                receiver.kind()
            )));
        };
        match (function, inner) {
            (Function::HasValue, inner) => Ok(Operand::Bool(inner.is_some())),
            (Function::Or, Some(_)) => Ok(receiver),
            (_, Some(inner)) => Ok((**inner).clone()),
            (Function::Value, None) => Err(fault("the optional is empty")),
            (_, None) => self.argument(rest),
        }
    }
}

fn no_such(function: &str, receiver: &Operand<'_>) -> EvaluationError {
    fault(format!(
        "`{function}` does not apply to {}",
        receiver.kind()
    ))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked: inside the i64 range, and CEL truncates"
)]
fn to_int(receiver: Operand<'_>) -> Outcome<'_> {
    if let Operand::Int(_) = receiver {
        Ok(receiver)
    } else if let Operand::Double(number) = receiver {
        if (-I64_END..I64_END).contains(&number) {
            Ok(Operand::Int(number as i64))
        } else {
            Err(fault(format!("`int({number})` overflows")))
        }
    } else if let Operand::Time(unix_ms) = receiver {
        Ok(Operand::Int(unix_ms.div_euclid(1_000)))
    } else if let Some(text) = receiver.as_text() {
        let number = text.parse().map(Operand::Int);
        number.map_err(|_| fault(format!("`int`: {} is no whole number", shown(text))))
    } else {
        Err(no_such("int", &receiver))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a double is what was asked for")]
fn to_double(receiver: Operand<'_>) -> Outcome<'_> {
    if let Operand::Double(_) = receiver {
        Ok(receiver)
    } else if let Operand::Int(number) = receiver {
        Ok(Operand::Double(number as f64))
    } else if let Some(text) = receiver.as_text() {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number
            .map(Operand::Double)
            .ok_or_else(|| fault(format!("`double`: {} is no number", shown(text))))
    } else {
        Err(no_such("double", &receiver))
    }
}

fn to_text(receiver: Operand<'_>) -> Outcome<'_> {
    let text = match &receiver {
        Operand::Text(_) | Operand::MadeText(_) => return Ok(receiver),
        Operand::Bool(flag) => flag.to_string(),
        Operand::Int(number) => number.to_string(),
        Operand::Double(number) => number.to_string(),
        Operand::Time(unix_ms) => match jiff::Timestamp::from_millisecond(*unix_ms) {
            Ok(instant) => instant.to_string(),
            Err(_) => return Err(fault("the time lies outside the years 1 to 9999")),
        },
        Operand::Span(ms) => TimeSpan::from_ms(*ms).to_string(),
        Operand::Null
        | Operand::List(_)
        | Operand::MadeList(_)
        | Operand::Map(_)
        | Operand::MadeMap(_)
        | Operand::Optional(_) => return Err(no_such("string", &receiver)),
    };
    Ok(Operand::made_text(text))
}

fn to_bool<'a>(receiver: &Operand<'a>) -> Outcome<'a> {
    if let Operand::Bool(flag) = receiver {
        return Ok(Operand::Bool(*flag));
    }
    match receiver.as_text() {
        Some("true" | "True" | "TRUE" | "t" | "1") => Ok(Operand::Bool(true)),
        Some("false" | "False" | "FALSE" | "f" | "0") => Ok(Operand::Bool(false)),
        Some(text) => Err(fault(format!(
            "`bool`: {} is neither true nor false",
            shown(text)
        ))),
        None => Err(no_such("bool", receiver)),
    }
}

fn to_time<'a>(receiver: &Operand<'a>) -> Outcome<'a> {
    if let Operand::Time(unix_ms) = receiver {
        Ok(Operand::Time(*unix_ms))
    } else if let Operand::Int(seconds) = receiver {
        let unix_ms = seconds.checked_mul(1_000);
        // jiff knows which instants have a date.
        let unix_ms = unix_ms.filter(|ms| jiff::Timestamp::from_millisecond(*ms).is_ok());
        unix_ms.map(Operand::Time).ok_or_else(|| {
            fault(format!(
                "`timestamp({seconds})` takes seconds since 1970, and these lie out of range"
            ))
        })
    } else if let Some(text) = receiver.as_text() {
        Timestamp::parse_unix_ms(text)
            .map(Operand::Time)
            .ok_or_else(|| {
                fault(format!(
                    "`timestamp`: {} is not RFC 3339 such as 2026-01-05T09:00:00Z",
                    shown(text)
                ))
            })
    } else {
        Err(no_such("timestamp", receiver))
    }
}

fn to_span<'a>(receiver: &Operand<'a>) -> Outcome<'a> {
    if let Operand::Span(ms) = receiver {
        return Ok(Operand::Span(*ms));
    }
    match receiver.as_text() {
        // The reason quotes the text, which may be a customer's and long.
        Some(text) if text.len() > 32 => {
            Err(fault(format!("`span`: {} is no duration", shown(text))))
        }
        Some(text) => TimeSpan::parse(text)
            .map(|span| Operand::Span(span.ms()))
            .map_err(fault),
        None => Err(no_such("span", receiver)),
    }
}

/// The start of a text, for messages.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(32).collect();
    if start.len() == text.len() {
        format!("`{start}`")
    } else {
        format!("`{start}…`")
    }
}

fn time_part<'a>(
    part: TimePart,
    receiver: &Operand<'a>,
    zone: Option<&Operand<'a>>,
) -> Outcome<'a> {
    let number = match receiver {
        Operand::Time(unix_ms) => {
            let zone = match zone {
                None => "UTC",
                Some(zone) => zone
                    .as_text()
                    .ok_or_else(|| fault("the time zone is text such as 'Europe/London'"))?,
            };
            part_of_date(part, &zoned(*unix_ms, zone)?)
        }
        Operand::Span(ms) if zone.is_none() => match part {
            TimePart::Hours => ms / 3_600_000,
            TimePart::Minutes => ms / 60_000,
            TimePart::Seconds => ms / 1_000,
            TimePart::Milliseconds => ms % 1_000,
            TimePart::FullYear
            | TimePart::Month
            | TimePart::Date
            | TimePart::DayOfMonth
            | TimePart::DayOfWeek
            | TimePart::DayOfYear => return Err(fault("a span has no date")),
        },
        other => {
            return Err(fault(format!(
                "only times have parts, not {}",
                other.kind()
            )));
        }
    };
    Ok(Operand::Int(number))
}

/// CEL counts months, days of the month (but not dates), of the week (from Sunday) and of the year from 0.
fn part_of_date(part: TimePart, date: &jiff::Zoned) -> i64 {
    match part {
        TimePart::FullYear => date.year().into(),
        TimePart::Month => i64::from(date.month()) - 1,
        TimePart::Date => date.day().into(),
        TimePart::DayOfMonth => i64::from(date.day()) - 1,
        TimePart::DayOfWeek => date.weekday().to_sunday_zero_offset().into(),
        TimePart::DayOfYear => i64::from(date.day_of_year()) - 1,
        TimePart::Hours => date.hour().into(),
        TimePart::Minutes => date.minute().into(),
        TimePart::Seconds => date.second().into(),
        TimePart::Milliseconds => date.millisecond().into(),
    }
}
