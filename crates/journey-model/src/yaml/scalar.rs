//! What a plain scalar means: the core schema of YAML 1.2, strictly.
//!
//! `yes` and `on` are texts, and so are `0755` and `1_000`: a leading zero or an underscore is more often part of an
//! id than of a number.

use super::node::NodeValue;

/// The meaning of a scalar without quotes.
pub(crate) fn resolve(text: &str) -> NodeValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeValue::Null,
        "true" | "True" | "TRUE" => return NodeValue::Bool(true),
        "false" | "False" | "FALSE" => return NodeValue::Bool(false),
        _ => {}
    }
    integer(text)
        .or_else(|| double(text))
        .unwrap_or_else(|| NodeValue::Text(text.to_owned()))
}

fn integer(text: &str) -> Option<NodeValue> {
    let number = if let Some(digits) = text.strip_prefix("0x") {
        radix(digits, 16)?
    } else if let Some(digits) = text.strip_prefix("0o") {
        radix(digits, 8)?
    } else {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
        if digits.is_empty() || has_leading_zero || !is_digits(digits) {
            return None;
        }
        // Beyond 64 bits it is a double, as every JSON number is.
        return Some(
            text.parse()
                .map_or_else(|_| double_of(text), NodeValue::Int),
        );
    };
    Some(NodeValue::Int(number))
}

fn radix(digits: &str, radix: u32) -> Option<i64> {
    let is_fine = digits.chars().all(|c| c.is_digit(radix));
    (is_fine && !digits.is_empty()).then(|| i64::from_str_radix(digits, radix).ok())?
}

fn double(text: &str) -> Option<NodeValue> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_is_fine = mantissa.contains('.') || exponent.is_some();
    let has_digit = !whole.is_empty() || !fraction.is_empty();
    let exponent_is_fine = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    let is_number = mantissa_is_fine
        && has_digit
        && is_digits(whole)
        && is_digits(fraction)
        && exponent_is_fine;
    is_number.then(|| double_of(text))
}

fn double_of(text: &str) -> NodeValue {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => NodeValue::Double(number),
        _ => NodeValue::Text(text.to_owned()),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
