//! Placeholder until the table of bad input is written below.
