//! Requests as clients send them: protobuf, then what the server makes of them.

use journey_proto::v1 as wire;
use journey_server::event_from_wire;
use journey_types::Timestamp;
use journey_wire::event_to_wire;
use prost::Message;

use crate::target::{Target, outcome_of};

/// The first byte tells which request the rest is.
#[derive(Debug)]
pub(crate) struct Protobuf;

impl Target for Protobuf {
    fn name(&self) -> &'static str {
        "protobuf"
    }

    fn about(&self) -> &'static str {
        "requests of the API, and their events"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let event = wire::CustomerEvent {
            customer_id: "c1".to_owned(),
            id: "e1".to_owned(),
            name: "purchase".to_owned(),
            workspace: "default".to_owned(),
            source: "shop".to_owned(),
            occurred_at: Some(pbjson_types::Timestamp {
                seconds: 1_772_359_200,
                nanos: 5,
            }),
            properties: Some(pbjson_types::Struct {
                fields: std::iter::once((
                    "total".to_owned(),
                    pbjson_types::Value {
                        kind: Some(pbjson_types::value::Kind::NumberValue(12.5)),
                    },
                ))
                .collect(),
            }),
            ..Default::default()
        };
        let ingest = wire::IngestRequest {
            events: vec![event; 2],
            mode: 0,
        };
        let publish = wire::PublishJourneysRequest {
            files: vec![wire::SourceFile {
                name: "a.yaml".to_owned(),
                text: "journey: a\n".to_owned(),
            }],
        };
        let lead = |kind: u8, body: Vec<u8>| [&[kind][..], &body].concat();
        vec![
            lead(0, ingest.encode_to_vec()),
            lead(1, publish.encode_to_vec()),
            lead(2, Vec::new()),
            lead(3, vec![10, 3, b'c', b'-', b'1']),
        ]
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            "\u{0}", "\u{1}", "\u{2}", "\n", "\u{12}", "\u{1a}", "\"", "*", "2", "\u{7f}", "c1",
            "default",
        ]
    }

    fn run(&self, input: &[u8]) -> u64 {
        let Some((kind, body)) = input.split_first() else {
            return 0;
        };
        match kind % 4 {
            0 => match wire::IngestRequest::decode(body) {
                Ok(request) => {
                    let events = request.events.into_iter().take(64);
                    let faults: Vec<String> = events
                        .map(|event| fault_of(event).unwrap_or_default())
                        .collect();
                    outcome_of(&("ingest", faults))
                }
                Err(error) => outcome_of(&error.to_string()),
            },
            1 => decoded::<wire::PublishJourneysRequest>(body),
            2 => decoded::<wire::WorkRequest>(body),
            _ => decoded::<wire::GetCustomerRequest>(body),
        }
    }
}

/// Reads an event as the server does; what it accepts can be sent on.
fn fault_of(event: wire::CustomerEvent) -> Option<String> {
    let received_at = Timestamp::from_unix_ms(1_772_359_200_000);
    match event_from_wire(event, received_at) {
        Err(fault) => {
            assert!(!fault.message.is_empty(), "a refusal without a reason");
            Some(fault.code.to_owned())
        }
        Ok(event) => {
            let again = event_from_wire(event_to_wire(&event), received_at);
            assert!(
                again.is_ok(),
                "what was accepted is refused when sent on: {again:?}"
            );
            event
                .validate(received_at)
                .err()
                .map(|_| "refused".to_owned())
        }
    }
}

/// What decodes encodes again to something that decodes to the same.
fn decoded<M: Message + Default + PartialEq>(body: &[u8]) -> u64 {
    match M::decode(body) {
        Ok(message) => {
            let again = M::decode(message.encode_to_vec().as_slice());
            // Not where it holds a NaN, which equals nothing.
            assert!(again.is_ok(), "what was decoded does not encode");
            outcome_of(&("decoded", message.encoded_len().min(64)))
        }
        Err(error) => outcome_of(&error.to_string()),
    }
}
