//! JSON as RFC 8785 writes it: no blanks, names in the order of their UTF-16 units, numbers as ECMAScript prints them.

use std::fmt::Write as _;

use journey_types::Value;

/// The canonical JSON of a value. Whole numbers are written in full, also beyond 2⁵³, where RFC 8785 would round.
pub(crate) fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => write!(out, "{number}").expect("writing to a String cannot fail"),
        Value::Double(number) => write_double(out, *number),
        Value::Text(text) => write_text(out, text),
        Value::Time(instant) => write_text(out, &instant.to_string()),
        Value::List(items) => {
            out.push('[');
            for (item_idx, item) in items.iter().enumerate() {
                if item_idx > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Map(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            out.push('{');
            for (field_idx, (name, field)) in sorted.into_iter().enumerate() {
                if field_idx > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                write_value(out, field);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if u32::from(c) < 0x20 => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `Number::toString` of ECMAScript: the shortest digits that read back the same.
fn write_double(out: &mut String, number: f64) {
    if !number.is_finite() {
        // JSON has no word for them; `Value::number` never makes one.
        out.push_str("null");
        return;
    }
    if number == 0.0 {
        out.push('0');
        return;
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent of a double fits");
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let n_digits = i32::try_from(digits.len()).expect("a double has at most 17 digits");
    let point = exponent + 1;
    if number < 0.0 {
        out.push('-');
    }
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if n_digits <= point && point <= 21 {
        out.push_str(&digits);
        out.push_str(&zeros(point - n_digits));
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else if -6 < point && point <= 0 {
        out.push_str("0.");
        out.push_str(&zeros(-point));
        out.push_str(&digits);
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        let written = write!(out, "e{sign}{}", exponent.abs());
        written.expect("writing to a String cannot fail");
    }
}

#[cfg(test)]
mod tests;
