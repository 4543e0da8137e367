//! Lines of event files, in every form.

use journey_model::{LineDefaults, read_event_line};
use journey_types::{Timestamp, WorkspaceId};

use crate::target::{Target, outcome_of};

/// One line of a file.
#[derive(Debug)]
pub(crate) struct EventLine;

const SEEDS: &[&str] = &[
    r#"{"customer_id":"c1","id":"e1","name":"purchase","occurred_at":"2026-03-01T10:00:00Z","properties":{"total":12.5}}"#,
    r#"{"specversion":"1.0","id":"7","source":"/shop","type":"order.placed","subject":"c2","time":"2026-03-01T10:00:00+02:00","data":{"customer_id":"c2"}}"#,
    r#"{"userId":"u1","messageId":"m","type":"track","event":"Opened","timestamp":"2026-03-01T10:00:00Z","properties":{"a":[1,null]}}"#,
    r#"{"anonymousId":"a","type":"page","timestamp":1772359200000}"#,
    r#"{"customer_id":"c","id":"x","name":"n","occurred_at":1772359200.5,"properties":{"deep":{"er":{"still":[[[]]]}}}}"#,
];
const DICTIONARY: &[&str] = &[
    "\"customer_id\":",
    "\"anonymous_id\":",
    "\"id\":",
    "\"name\":",
    "\"occurred_at\":",
    "\"properties\":",
    "\"specversion\":\"1.0\"",
    "\"subject\":",
    "\"type\":",
    "\"time\":",
    "\"data\":",
    "\"userId\":",
    "\"anonymousId\":",
    "\"messageId\":",
    "\"event\":",
    "\"timestamp\":",
    "\"traits\":",
    "null",
    "true",
    "1e400",
    "-0",
    "99999999999999999999",
    "\\u0000",
    "\\ud800",
    "\\\"",
    "{}",
    "[]",
    "[[",
    "{\"",
    "2026-02-30T25:61:61Z",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "\u{feff}",
];

impl Target for EventLine {
    fn name(&self) -> &'static str {
        "event-line"
    }

    fn about(&self) -> &'static str {
        "lines of event files in every form"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        SEEDS.iter().map(|line| line.as_bytes().to_vec()).collect()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        DICTIONARY
    }

    fn run(&self, input: &[u8]) -> u64 {
        let line = String::from_utf8_lossy(input);
        let workspace = WorkspaceId::new("default").expect("a valid name");
        match read_event_line(&line, &LineDefaults::of(workspace)) {
            Ok(event) => {
                // What is read is what the server would check next, and can be checked whatever it is.
                let received_at = Timestamp::from_unix_ms(1_772_359_200_000);
                let checked = event.validate(received_at).is_ok();
                outcome_of(&("read", checked, event.properties.len().min(8)))
            }
            Err(problem) => {
                assert!(!problem.message.is_empty(), "a refusal without a reason");
                outcome_of(&(
                    "refused",
                    problem.reason,
                    crate::target::shape_of(&problem.message),
                ))
            }
        }
    }
}
