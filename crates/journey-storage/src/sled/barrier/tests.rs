//! The guess: due in time, corrected both ways.

use super::*;

const SEGMENT: usize = 4_000_000;

/// Makes small puts until a flush is due; says how many were made before.
fn n_puts(barrier: &mut Barrier) -> u64 {
    let put = [Put::set("key", "value")];
    (0..).find(|_| barrier.is_due(&put, 0)).unwrap()
}

#[test]
fn flush_is_due_by_guess_or_by_what_was_written() {
    let mut barrier = Barrier::new(SEGMENT);
    assert!((100..130).contains(&n_puts(&mut barrier)));
    let mut barrier = Barrier::new(SEGMENT);
    assert!(!barrier.is_due(&[], 1_000_000));
    assert!(barrier.is_due(&[], 1_000_001));
    let large = [Put::set("key", vec![0; 64 * 1024])];
    let mut barrier = Barrier::new(SEGMENT);
    assert_eq!((0..).find(|_| barrier.is_due(&large, 0)), Some(2));
}

#[test]
fn cheap_puts_are_learnt_slowly_and_dear_ones_at_once() {
    let mut barrier = Barrier::new(SEGMENT);
    let first = n_puts(&mut barrier);
    barrier.passed(0);
    let second = n_puts(&mut barrier);
    assert!(
        (first * 2 - 1..=first * 2 + 1).contains(&second),
        "{first}, {second}"
    );
    for _ in 0..9 {
        barrier.passed(0);
        n_puts(&mut barrier);
    }
    let cheapest = n_puts(&mut barrier);
    assert!(
        cheapest <= first * 9,
        "the guess never falls below an eighth"
    );
    barrier.passed(32_000_000);
    assert!(n_puts(&mut barrier) < first / 2);
}

#[test]
fn flush_without_puts_teaches_nothing() {
    let mut barrier = Barrier::new(SEGMENT);
    barrier.passed(8_000_000);
    assert!((100..130).contains(&n_puts(&mut barrier)));
}
