//! What is typed, understood or not.

use super::{Order, Verb, parse};

#[test]
fn orders_name_a_verb_and_a_node() {
    let order = |verb, name: &str| {
        let name = name.to_owned();
        Ok(Some(Order { verb, name }))
    };
    assert_eq!(parse("kill n2"), order(Verb::Kill, "n2"));
    assert_eq!(parse("  start   n3 "), order(Verb::Start, "n3"));
    assert_eq!(parse("stop n1"), order(Verb::Stop, "n1"));
    assert_eq!(parse(" "), Ok(None));
}

#[test]
fn what_is_no_order_is_answered_with_what_is() {
    for line in ["help", "kill", "kill n1 n2", "restart n1"] {
        let said = parse(line).unwrap_err();
        assert!(said.contains("`start n2`"), "{line}: {said}");
    }
}
