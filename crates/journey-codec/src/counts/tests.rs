//! What facts add to counts, and that counts of partitions add up.

use std::sync::Arc;

use journey_customer::{Departure, Entrance, IngestMode, InstanceEntered, InstanceRef};
use journey_proto::durable;
use journey_types::{CustomerEvent, CustomerKey, InstanceNumber, Sequence, Timestamp};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::arbitrary;

proptest! {
    #[test]
    fn counts_come_back_as_they_were(counts in arbitrary::state::counts()) {
        let bytes = encode_counts(&counts);
        prop_assert_eq!(&decode_counts(&bytes).unwrap(), &counts);
        let generated = durable::JourneyCounts::decode(&bytes[1..]).unwrap();
        let mut again = vec![bytes[0]];
        generated.encode(&mut again).unwrap();
        prop_assert_eq!(&decode_counts(&again).unwrap(), &counts);
    }

    #[test]
    fn counts_of_partitions_add_up(turns in prop::collection::vec(arbitrary::turn(), 0..6)) {
        let mut whole = BTreeMap::new();
        let mut halves = [BTreeMap::new(), BTreeMap::new()];
        for (turn_idx, turn) in turns.iter().enumerate() {
            for event in &turn.events {
                count(&mut whole, event);
                count(&mut halves[turn_idx % 2], event);
            }
        }
        let [mut sum, other] = halves;
        for (version, counts) in &other {
            sum.entry(version.clone()).or_default().add(counts);
        }
        prop_assert_eq!(sum, whole);
    }
}

const VERSION: DefinitionVersion = DefinitionVersion::new(2);

fn event(name: &str) -> Arc<CustomerEvent> {
    Arc::new(CustomerEvent {
        customer: CustomerKey {
            workspace: "default".parse().unwrap(),
            customer: "c-1".parse().unwrap(),
        },
        source: "default".parse().unwrap(),
        id: "e-1".parse().unwrap(),
        name: name.parse().unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: BTreeMap::new(),
    })
}

fn instance(number: u64) -> InstanceRef {
    InstanceRef {
        number: InstanceNumber::new(number),
        journey: "cart".parse().unwrap(),
        version: VERSION,
    }
}

fn entered(number: u64) -> EventBody {
    let InstanceRef {
        number,
        journey,
        version,
    } = instance(number);
    EventBody::InstanceEntered(Box::new(InstanceEntered {
        instance: number,
        journey,
        version,
        key: None,
        step: "wait".parse().unwrap(),
        entry: Entrance::Event(event("cart_added")),
        goals: BTreeMap::new(),
        remembered_until: None,
    }))
}

fn moved(number: u64, to: Option<&str>) -> EventBody {
    EventBody::StepMoved {
        instance: instance(number),
        from: "wait".parse().unwrap(),
        how: Departure::Done,
        to: to.map(|step| step.parse().unwrap()),
    }
}

fn ended(number: u64, left: Option<&str>, was_parked: bool, ending: Ending) -> EventBody {
    EventBody::InstanceEnded {
        instance: instance(number),
        entered_at: Timestamp::from_unix_ms(100),
        left: left.map(|step| step.parse().unwrap()),
        was_parked,
        ending,
    }
}

fn raised(name: &str) -> EventBody {
    EventBody::EventAccepted {
        fingerprint: None,
        event: event(name),
        raised_by: Some(instance(1)),
        mode: IngestMode::Live,
        feeds: Vec::new(),
    }
}

fn counted(bodies: impl IntoIterator<Item = EventBody>) -> JourneyCounts {
    let mut counts = BTreeMap::new();
    for body in bodies {
        let fact = JournalEvent {
            sequence: Sequence::new(1),
            stamp: Timestamp::from_unix_ms(350),
            body,
        };
        count(&mut counts, &fact);
    }
    assert_eq!(counts.len(), 1, "all facts are of one version");
    counts.remove(&("cart".parse().unwrap(), VERSION)).unwrap()
}

#[test]
fn every_instance_is_in_exactly_one_state_and_at_most_one_step() {
    let parked = EventBody::InstanceParked {
        instance: instance(4),
        reason: "no such content".to_owned(),
    };
    let parked_for_good = EventBody::InstanceParked {
        instance: instance(5),
        reason: "no such content".to_owned(),
    };
    let counts = counted([
        entered(1),
        entered(2),
        entered(3),
        entered(4),
        entered(5),
        entered(6),
        moved(1, None),
        ended(1, None, false, Ending::Completed),
        ended(2, Some("wait"), false, Ending::Goal("bought".to_owned())),
        moved(3, Some("remind")),
        parked,
        ended(4, Some("wait"), true, Ending::Exited("left".to_owned())),
        parked_for_good,
    ]);
    assert_eq!(counts.entered, 6);
    assert_eq!(counts.completed, 2);
    assert_eq!(counts.exited, BTreeMap::from([("left".to_owned(), 1)]));
    assert_eq!((counts.active(), counts.parked()), (2, 1));
    let now: BTreeMap<_, _> = counts
        .steps
        .iter()
        .map(|(id, step)| (id.as_str(), step.now()))
        .collect();
    assert_eq!(now, BTreeMap::from([("remind", 1), ("wait", 2)]));
    assert_eq!(counts.completed_durations.n(), 2);
    assert_eq!(counts.completed_durations.max(), TimeSpan::from_ms(250));
}

#[test]
fn the_engines_own_events_are_no_emits() {
    let counts = counted([
        raised("lapsed_30"),
        raised("message_failed"),
        raised("lapsed_30"),
    ]);
    assert_eq!(
        counts.emitted,
        BTreeMap::from([("lapsed_30".parse().unwrap(), 2)])
    );
}
