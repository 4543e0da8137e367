//! MiniJinja as content uses it: no includes, no functions, and a choice of filters, its own where they cannot grow
//! text without bound, ours where they could.

use std::borrow::Cow;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, filters, tests};

use super::limits::{FIELD_SIZE_BYTES_MAX, FUEL, RECURSION_MAX};

/// Ends the names of templates whose values are escaped for HTML.
pub(super) const HTML_SUFFIX: &str = ".html";

/// The filters by name, for suggestions.
pub(super) const FILTERS: [&str; 24] = [
    "default",
    "d",
    "escape",
    "e",
    "safe",
    "lower",
    "upper",
    "title",
    "capitalize",
    "trim",
    "replace",
    "length",
    "count",
    "join",
    "first",
    "last",
    "min",
    "max",
    "sort",
    "round",
    "abs",
    "int",
    "float",
    "string",
];
/// The tests (`is …`) by name.
pub(super) const TESTS: [&str; 7] = [
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "sequence",
    "mapping",
];

/// An environment without templates.
pub(super) fn environment<'s>() -> Environment<'s> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    // Errors then carry the place in the template, from which the message names the variable.
    environment.set_debug(true);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(HTML_SUFFIX) {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    add_filters(&mut environment);
    environment
}

fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("default", filters::default);
    environment.add_filter("d", filters::default);
    environment.add_filter("escape", filters::escape);
    environment.add_filter("e", filters::escape);
    environment.add_filter("safe", filters::safe);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("title", filters::title);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("replace", replace);
    environment.add_filter("length", filters::length);
    environment.add_filter("count", filters::length);
    environment.add_filter("join", join);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("min", filters::min);
    environment.add_filter("max", filters::max);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("round", filters::round);
    environment.add_filter("abs", filters::abs);
    environment.add_filter("int", filters::int);
    environment.add_filter("float", filters::float);
    environment.add_filter("string", filters::string);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
    environment.add_test("string", tests::is_string);
    environment.add_test("number", tests::is_number);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("mapping", tests::is_mapping);
}

fn too_large() -> Error {
    let detail = format!("a filter made more than {FIELD_SIZE_BYTES_MAX} bytes");
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// Replaces one text by another. The result is escaped like any other text.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a filter")]
fn replace(text: Cow<'_, str>, from: Cow<'_, str>, to: Cow<'_, str>) -> Result<String, Error> {
    let grown = text.matches(&*from).count().saturating_mul(to.len());
    if text.len().saturating_add(grown) > FIELD_SIZE_BYTES_MAX {
        return Err(too_large());
    }
    Ok(text.replace(&*from, &to))
}

/// Joins the items of a list by a text, the empty one where none is given.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a filter")]
fn join(items: Value, separator: Option<Cow<'_, str>>) -> Result<String, Error> {
    let separator = separator.unwrap_or_default();
    let mut joined = String::new();
    for (item_idx, item) in items.try_iter()?.enumerate() {
        if item_idx > 0 {
            joined.push_str(&separator);
        }
        match item.as_str() {
            Some(text) => joined.push_str(text),
            None => joined.push_str(&item.to_string()),
        }
        if joined.len() > FIELD_SIZE_BYTES_MAX {
            return Err(too_large());
        }
    }
    Ok(joined)
}
