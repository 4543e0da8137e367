//! Expressions over scopes: tables of (expression, value or reason), by topic.

mod cost;
pub(crate) mod fixture;
mod hostile;
mod needs;
mod problems;
mod values;
