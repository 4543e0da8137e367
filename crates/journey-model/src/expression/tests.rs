//! Expressions over scopes: tables of (expression, value or reason), by topic.

mod fixture;
mod problems;
mod values;
