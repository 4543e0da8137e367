//! What goes out as bytes is what the messages say.

use prost::Message as _;

use super::*;

#[test]
fn an_encoded_request_is_that_of_its_messages() {
    for name in ["overload", "mixed", "unary", "timers"] {
        let scenario = crate::scenario::load(name).unwrap();
        let now = Timestamp::from_unix_ms(1_700_000_000_000);
        let run = Arc::new(Run::new(
            u64::MAX / 7,
            cluster::monotonic_now(),
            now,
            &scenario,
        ));
        let mut events = Maker::new(Arc::clone(&run), &scenario, 3).batch(50, 1_234_567);
        events.extend((0..3).map(|customer| run.start_of(customer, 7)));
        events[1].flavour = Flavour::Bad;
        let request = wire::IngestRequest {
            events: events.iter().map(|event| run.wire_of(event)).collect(),
            mode: 0,
        };
        let encoded = run.request_of(&events);
        assert_eq!(
            wire::IngestRequest::decode(encoded).unwrap(),
            request,
            "{name}"
        );
        assert_eq!(request.events[1].name, "");
        assert_ne!(request.events[0].id, request.events[1].id);
    }
}
