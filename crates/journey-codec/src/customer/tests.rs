//! Customers there and back, what is written again after a change, and what damaged rows give.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{DedupeChunk, Timeline};
use journey_proto::durable;
use journey_types::{Fingerprint, Value};
use proptest::prelude::*;

use super::*;
use crate::arbitrary;
use crate::hash::state_hash;

/// Rows by (part, mark), as a partition's tree would hold them.
type Rows = BTreeMap<(PartId, Lsn), Bytes>;

fn write(rows: &mut Rows, customer: &CustomerRows) {
    for (part, bytes) in &customer.parts {
        let before = rows.insert((*part, customer.list.row_lsn), bytes.clone());
        assert_eq!(before, None, "a row is never changed");
    }
}

fn read(head: &[u8], rows: &Rows) -> Result<(CustomerState, HeadList), CodecError> {
    decode_customer(head, |part, mark| rows.get(&(part, mark)).cloned())
}

fn through_generated(part: Option<PartId>, bytes: &[u8]) -> Bytes {
    fn again<M: prost::Message + Default>(bytes: &[u8]) -> Bytes {
        let message = M::decode(&bytes[1..]).unwrap();
        let mut again = vec![bytes[0]];
        message.encode(&mut again).unwrap();
        Bytes::from(again)
    }
    match part {
        None => again::<durable::CustomerHead>(bytes),
        Some(PartId::Profile) => again::<durable::Profile>(bytes),
        Some(PartId::History) => again::<durable::History>(bytes),
        Some(PartId::Journeys) => again::<durable::Journeys>(bytes),
        Some(PartId::Outbox) => again::<durable::Outbox>(bytes),
        Some(PartId::Timeline) => again::<durable::Timeline>(bytes),
        Some(PartId::PausedTurn) => again::<durable::PausedTurn>(bytes),
        Some(PartId::Instance(_)) => again::<durable::Instance>(bytes),
        Some(PartId::DedupeChunk(_)) => again::<durable::IdChunk>(bytes),
        Some(PartId::IdSegment(_)) => again::<durable::IdList>(bytes),
        Some(PartId::DeadLetter(_)) => again::<durable::DeadLetter>(bytes),
        Some(PartId::Quarantined(_)) => again::<durable::QuarantinedCommand>(bytes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn customers_come_back_as_they_were(state in arbitrary::state::customer()) {
        let mut rows = Rows::new();
        let written = encode_customer(&state, Lsn::new(7), None);
        write(&mut rows, &written);
        let (back, list) = read(&written.head, &rows).unwrap();
        prop_assert_eq!(state_hash(&back), state_hash(&state));
        prop_assert_eq!(back, state);
        prop_assert_eq!(list, written.list);
    }

    #[test]
    fn rows_are_what_the_proto_files_say(state in arbitrary::state::customer()) {
        let written = encode_customer(&state, Lsn::new(7), None);
        let head = decode_head(&through_generated(None, &written.head)).unwrap();
        prop_assert_eq!(&head, &decode_head(&written.head).unwrap());
        let of_table = stored::encode(None, |out| CustomerHead::Live(head).write_fields(out));
        prop_assert_eq!(&of_table, &written.head);
        let mut back = CustomerState::new(state.key.clone());
        for (part, bytes) in &written.parts {
            parts::decode_part(&mut back, *part, &through_generated(Some(*part), bytes)).unwrap();
        }
        prop_assert_eq!(&back.traits, &state.traits);
        prop_assert_eq!(&back.history, &state.history);
        prop_assert_eq!(&back.journeys, &state.journeys);
        prop_assert_eq!(&back.watched_goals, &state.watched_goals);
        prop_assert_eq!(&back.instances, &state.instances);
        prop_assert_eq!(&back.outbox, &state.outbox);
        prop_assert_eq!(&back.paused_turn, &state.paused_turn);
        prop_assert_eq!(&back.timeline, &state.timeline);
        prop_assert_eq!(&back.dedupe.chunks, &state.dedupe.chunks);
    }

    #[test]
    fn damaged_rows_are_found_out(
        state in arbitrary::state::customer(),
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        bits in 1_u8..,
    ) {
        let mut rows = Rows::new();
        let written = encode_customer(&state, Lsn::new(7), None);
        write(&mut rows, &written);
        if !rows.is_empty() {
            let row = rows.values_mut().nth(which.index(written.parts.len())).unwrap();
            let mut bytes = row.to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= bits;
            *row = Bytes::from(bytes);
            let error = read(&written.head, &rows).unwrap_err();
            let is_mismatch = matches!(error, CodecError::PartMismatch { .. });
            prop_assert!(is_mismatch, "{error}");
        }
    }

    #[test]
    fn damaged_parts_never_panic(
        state in arbitrary::state::customer(),
        place in any::<prop::sample::Index>(),
        bits in 1_u8..,
    ) {
        let written = encode_customer(&state, Lsn::new(7), None);
        let all = written.parts.iter().map(|(part, bytes)| (Some(*part), bytes.clone()));
        for (part, bytes) in all.chain([(None, written.head.clone())]) {
            let mut bytes = bytes.to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= bits;
            let mut back = CustomerState::new(state.key.clone());
            let read = match part {
                Some(part) => parts::decode_part(&mut back, part, &bytes),
                None => decode_head(&bytes).map(drop),
            };
            if let Err(error) = read {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_second_writing_brings_rows_up_to_date(
        before in arbitrary::state::customer(),
        mut after in arbitrary::state::customer(),
    ) {
        after.key = before.key.clone();
        // Event ids are only ever added.
        after.dedupe = before.dedupe.clone();
        let mut rows = Rows::new();
        let first = encode_customer(&before, Lsn::new(7), None);
        write(&mut rows, &first);
        let second = encode_customer(&after, Lsn::new(9), Some(&first.list));
        write(&mut rows, &second);
        // The old head is whole until the new one is there.
        prop_assert_eq!(&read(&first.head, &rows).unwrap().0, &before);
        for row in &second.stale {
            prop_assert!(rows.remove(row).is_some());
        }
        prop_assert_eq!(&read(&second.head, &rows).unwrap().0, &after);
        prop_assert_eq!(rows.len(), second.list.parts.len());
    }
}

fn customer() -> CustomerState {
    let mut state = CustomerState::new(CustomerKey {
        workspace: "default".parse().unwrap(),
        customer: "c-1".parse().unwrap(),
    });
    state.birth = BirthIndex::new(1);
    state.last_sequence = Sequence::new(3);
    state.traits = Arc::new(BTreeMap::from([("city".to_owned(), Value::text("Bonn"))]));
    let stamp = Timestamp::from_unix_ms(5);
    state.timeline.push(stamp, (Sequence::new(3), None), "born");
    state
}

fn ids(n: u8) -> Vec<(Fingerprint, Timestamp)> {
    (0..n)
        .map(|n| {
            (
                Fingerprint::from_bytes([n; 16]),
                Timestamp::from_unix_ms(i64::from(n)),
            )
        })
        .collect()
}

fn chunk(number: u64, n_ids: u16) -> Arc<DedupeChunk> {
    Arc::new(DedupeChunk {
        number,
        newest: Timestamp::from_unix_ms(i64::from(n_ids)),
        prefixes: (0..n_ids).collect(),
        digest: u64::from(n_ids),
    })
}

fn written(rows: &CustomerRows) -> Vec<String> {
    rows.parts
        .iter()
        .map(|(part, _)| part.to_string())
        .collect()
}

#[test]
fn only_changed_parts_are_written_again() {
    let mut state = customer();
    let first = encode_customer(&state, Lsn::new(7), None);
    assert_eq!(written(&first), ["profile", "timeline"]);
    assert_eq!(first.stale, []);

    let unchanged = encode_customer(&state, Lsn::new(8), Some(&first.list));
    assert_eq!(written(&unchanged), Vec::<String>::new());
    assert_eq!(unchanged.list.row_lsn, Lsn::new(8));

    state.lifecycle = Some("won".to_owned());
    state.timeline = Timeline::default();
    let second = encode_customer(&state, Lsn::new(9), Some(&unchanged.list));
    assert_eq!(written(&second), ["profile"]);
    assert_eq!(
        second.stale,
        [
            (PartId::Profile, Lsn::new(7)),
            (PartId::Timeline, Lsn::new(7))
        ]
    );
}

#[test]
fn of_event_ids_only_the_newest_chunk_is_written_again() {
    let mut state = customer();
    for number in 0..3 {
        state.dedupe.chunks.push_back(chunk(number, 3));
    }
    let first = encode_customer(&state, Lsn::new(7), None);

    // The newest grows and another one follows; the oldest is forgotten.
    state.dedupe.chunks.pop_front();
    state.dedupe.chunks[1] = chunk(2, 5);
    state.dedupe.chunks.push_back(chunk(3, 1));
    let second = encode_customer(&state, Lsn::new(9), Some(&first.list));
    assert_eq!(
        written(&second),
        ["chunk of event ids 2", "chunk of event ids 3"]
    );
    assert_eq!(
        second.stale,
        [
            (PartId::DedupeChunk(0), Lsn::new(7)),
            (PartId::DedupeChunk(2), Lsn::new(7))
        ]
    );
}

#[test]
fn a_row_that_is_missing_is_named() {
    let first = encode_customer(&customer(), Lsn::new(7), None);
    let error = read(&first.head, &Rows::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the customer's part profile written at 7 is named by its head but its row is missing: restore this replica"
    );
}

#[test]
fn a_tombstone_of_a_newer_release_is_refused_by_name() {
    assert_eq!(
        decode_head(&[1, 0x12, 0]).unwrap_err().to_string(),
        "CustomerHead is of the unknown kind 2: start the release that wrote it, or a newer one"
    );
}

#[test]
fn packed_event_ids_take_little_more_than_their_fingerprints() {
    let bytes = encode_id_segment(&ids(16));
    assert!(bytes.len() <= 16 * 17 + 16, "{} bytes", bytes.len());
    assert_eq!(decode_id_segment(&bytes).unwrap(), ids(16));
    let mut state = customer();
    state.dedupe.chunks.push_back(chunk(0, 128));
    let bytes = parts::encode_part(&state, PartId::DedupeChunk(0));
    assert!(bytes.len() <= 128 * 2 + 24, "{} bytes", bytes.len());
}
