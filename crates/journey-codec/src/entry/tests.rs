//! Entries there and back, through the generated reader, cut off, flipped, and of newer releases.

use std::sync::Arc;

use journey_customer::{Entrance, EventBody, IngestMode, InstanceEntered, InstanceRef};
use journey_proto::durable;
use journey_types::{CatalogRevision, InstanceNumber, StepId};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::arbitrary;

/// Decodes with the generated reader and encodes again: what the `.proto` files do not say is lost on the way.
fn through_generated(bytes: &[u8]) -> Bytes {
    let message = durable::JournalEntry::decode(&bytes[1..]).unwrap();
    let mut again = vec![bytes[0]];
    message.encode(&mut again).unwrap();
    Bytes::from(again)
}

proptest! {
    #[test]
    fn entries_come_back_as_they_were(entry in arbitrary::entry()) {
        let bytes = encode_entry(&entry);
        prop_assert_eq!(decode_entry(&bytes).unwrap(), entry);
    }

    #[test]
    fn entries_are_what_the_proto_files_say(entry in arbitrary::entry()) {
        let again = through_generated(&encode_entry(&entry));
        prop_assert_eq!(decode_entry(&again).unwrap(), entry);
    }

    #[test]
    fn cut_off_entries_are_refused_or_shorter(entry in arbitrary::entry(), cut in any::<prop::sample::Index>()) {
        let bytes = encode_entry(&entry);
        let cut = cut.index(bytes.len());
        if let Ok(shorter) = decode_entry(&bytes[..cut]) {
            prop_assert_ne!(shorter, entry);
        }
    }

    #[test]
    fn flipped_entries_never_panic(
        entry in arbitrary::entry(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let mut bytes = encode_entry(&entry).to_vec();
        for (place, bits) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= bits;
        }
        // Whatever still reads as an entry is one that can be written again.
        if let Ok(read) = decode_entry(&bytes) {
            prop_assert!(!encode_entry(&read).is_empty());
        }
    }

    #[test]
    fn hostile_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        bytes[0] = 1;
        if let Ok(read) = decode_entry(&bytes) {
            prop_assert!(!encode_entry(&read).is_empty());
        }
    }

    #[test]
    fn a_batch_writer_writes_what_encode_writes(entry in arbitrary::entry()) {
        if let JournalEntry::Batch(batch) = &entry {
            let mut writer = BatchWriter::new(batch.session, batch.number);
            let mut size_bytes = 0;
            for record in &batch.records {
                writer.push(record);
                size_bytes += record_size_bytes(record);
                prop_assert_eq!(writer.size_bytes(), size_bytes);
            }
            prop_assert_eq!(writer.n_records(), batch.records.len());
            prop_assert_eq!(writer.finish(), encode_entry(&entry));
        }
    }
}

fn key() -> CustomerKey {
    CustomerKey {
        workspace: "shop".parse().unwrap(),
        customer: "c-1".parse().unwrap(),
    }
}

fn event() -> Arc<CustomerEvent> {
    Arc::new(CustomerEvent {
        customer: key(),
        source: "default".parse().unwrap(),
        id: "e-1".parse().unwrap(),
        name: "cart_added".parse().unwrap(),
        occurred_at: Timestamp::from_unix_ms(1_700_000_000_000),
        channel: None,
        device: None,
        properties: std::collections::BTreeMap::new(),
    })
}

fn entering_turn() -> Turn {
    let instance = InstanceRef {
        number: InstanceNumber::new(1),
        journey: "cart".parse().unwrap(),
        version: journey_types::DefinitionVersion::new(2),
    };
    let entered = InstanceEntered {
        instance: instance.number,
        journey: instance.journey.clone(),
        version: instance.version,
        key: None,
        step: "wait".parse().unwrap(),
        entry: Entrance::Event(event()),
        goals: std::collections::BTreeMap::new(),
        remembered_until: None,
    };
    let bodies = [
        EventBody::EventAccepted {
            fingerprint: None,
            event: event(),
            raised_by: None,
            mode: IngestMode::Live,
            feeds: Vec::new(),
        },
        EventBody::InstanceEntered(Box::new(entered)),
    ];
    let stamp = Timestamp::from_unix_ms(1_700_000_000_500);
    let events = (7..).zip(bodies).map(|(sequence, body)| JournalEvent {
        sequence: Sequence::new(sequence),
        stamp,
        body,
    });
    Turn {
        customer: key(),
        events: events.collect(),
    }
}

#[test]
fn an_event_of_a_turn_is_written_once_and_shared_again() {
    let entry = JournalEntry::Batch(Batch {
        session: SessionId::new(1),
        number: BatchNumber::new(1),
        records: vec![Record::Turn(entering_turn())],
    });
    let bytes = encode_entry(&entry);
    let n_names = bytes
        .windows(10)
        .filter(|part| part == b"cart_added")
        .count();
    assert_eq!(n_names, 1);
    let JournalEntry::Batch(batch) = decode_entry(&bytes).unwrap() else {
        panic!("a batch became something else");
    };
    let Record::Turn(turn) = &batch.records[0] else {
        panic!("a turn became something else");
    };
    let (EventBody::EventAccepted { event, .. }, EventBody::InstanceEntered(entered)) =
        (&turn.events[0].body, &turn.events[1].body)
    else {
        panic!("the facts became others");
    };
    let Entrance::Event(entry) = &entered.entry else {
        panic!("entered by {:?}", entered.entry);
    };
    assert!(Arc::ptr_eq(event, entry));
    assert_eq!(entered.step, "wait".parse::<StepId>().unwrap());
}

#[test]
fn what_a_newer_release_wrote_is_refused_by_name() {
    let entry = JournalEntry::SessionOpened(SessionOpened { opener: 7 });
    let mut newer = encode_entry(&entry).to_vec();
    newer[0] = 2;
    let error = decode_entry(&newer).unwrap_err().to_string();
    assert_eq!(
        error,
        "JournalEntry has format version 2, this release reads 1: start a release that knows version 2"
    );
    // A batch with one record of kind 3.
    let error = decode_entry(&[1, 0x12, 4, 0x1a, 2, 0x1a, 0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Record is of the unknown kind 3: start the release that wrote it, or a newer one"
    );
    // A batch with a field 9.
    let error = decode_entry(&[1, 0x12, 2, 0x48, 1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Batch has the unknown field 9: start the release that wrote it, or a newer one"
    );
    assert_eq!(
        decode_entry(&[]).unwrap_err(),
        CodecError::Empty {
            message: "JournalEntry"
        }
    );
}

#[test]
fn a_position_beyond_the_events_of_a_turn_is_refused() {
    let entry = JournalEntry::Batch(Batch {
        session: SessionId::new(1),
        number: BatchNumber::new(1),
        records: vec![Record::Turn(entering_turn())],
    });
    let mut bytes = encode_entry(&entry).to_vec();
    let last = bytes.len() - 1;
    assert_eq!(bytes[last], 0, "the entry of the second fact is event 0");
    bytes[last] = 1;
    let error = decode_entry(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        "Entrance, field 1: event 1 of a turn that has 1: the bytes are damaged"
    );
}

#[test]
fn revisions_and_digests_are_kept() {
    let adopted = Record::CatalogAdopted(CatalogAdopted {
        stamp: Timestamp::from_unix_ms(5),
        revision: CatalogRevision::new(3),
        digest: [9; 32],
    });
    let size_bytes = record_size_bytes(&adopted);
    assert_eq!(size_bytes, 2 + 2 + 2 + 2 + 2 + 32);
}
