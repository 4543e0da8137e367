//! Claims about the wire form of destinations.

use super::Destination;

#[test]
fn the_wire_form_comes_back() {
    for text in ["push", "queue:care", "webhook:crm", "queue:care/night"] {
        let destination: Destination = text.parse().unwrap();
        assert_eq!(destination.to_string(), text);
        assert_eq!(destination.is_ordered(), text == "push");
    }
}

#[test]
fn what_is_no_id_is_refused() {
    for text in [
        "",
        "queue:",
        "webhook:",
        "Push",
        "queue:queue:care",
        "mail:x",
    ] {
        assert!(text.parse::<Destination>().is_err(), "{text}");
    }
}
