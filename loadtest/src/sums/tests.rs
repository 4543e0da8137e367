//! Sums hold or say what is missing.

use super::{Figures, Sum};

fn figures() -> Figures {
    [("sent", 10), ("accepted.a", 7), ("accepted.b", 3)]
        .map(|(name, n)| (name.to_owned(), n))
        .into()
}

fn said(text: &str) -> String {
    Sum::parse(text).unwrap().prove(&figures()).to_string()
}

#[test]
fn sums_that_hold_say_their_value() {
    assert_eq!(
        said("accepted.a + accepted.b = sent"),
        "accepted.a + accepted.b = sent (10)"
    );
    assert_eq!(said("accepted.a <= sent - 3"), "accepted.a <= sent - 3 (7)");
}

#[test]
fn sums_that_do_not_hold_say_what_is_missing() {
    assert_eq!(
        said("accepted.a = sent"),
        "accepted.a = sent: 7 on the left, 10 on the right, 3 apart"
    );
    assert_eq!(
        said("lost = 0"),
        "lost = 0: 0 on the left, 0 on the right; no figure lost"
    );
}

#[test]
fn equations_that_are_none_are_refused() {
    for (text, reason) in [
        ("a b = c", "`+` or `-` is missing before `b`"),
        ("a + = c", "a side ends without a figure"),
        ("a", "holds neither `=`, `<=` nor `>=`"),
        ("+ a = b", "a figure is missing before `+`"),
    ] {
        assert_eq!(Sum::parse(text).unwrap_err(), reason, "{text}");
    }
}
