//! What typical predicates cost: `cargo test -p journey-model --release cost -- --nocapture` prints it.

#![expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the clock; nothing depends on it"
)]

use std::hint::black_box;
use std::time;

use super::fixture::{ANYWHERE, Fixture};
use crate::expression::Expression;

const TYPICAL: [&str; 6] = [
    "event.properties.quantity >= 2",
    "event.properties.value * 2 > 20 && customer.traits.first_name in ['Bob', 'Ada'] && has(customer.traits.zone)",
    "history.count('purchase', '30d') >= 3 && customer.traits.?age.orValue(0) > 18",
    "event.properties.missing > 3",
    "event.properties.basket.items.exists(item, item > 4.5)",
    "local.hour >= 9 && local.hour < 18",
];

#[test]
fn typical_predicates_give_the_same_every_time() {
    let fixture = Fixture::new();
    let scope = fixture.scope();
    let n_rounds = 2_000_u32;
    for source in TYPICAL {
        let started = time::Instant::now();
        let expression = Expression::compile(source, &ANYWHERE).expect("it compiles");
        let compile_us = started.elapsed().as_micros();
        let first = expression.holds(&scope);
        let started = time::Instant::now();
        for _ in 0..n_rounds {
            assert_eq!(black_box(&expression).holds(black_box(&scope)), first);
        }
        let evaluate_ns = started.elapsed().as_nanos() / u128::from(n_rounds);
        eprintln!("{evaluate_ns:>6} ns to evaluate, {compile_us:>6} us to compile: {source}");
    }
}
