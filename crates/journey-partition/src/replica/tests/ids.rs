//! Remembered event ids: what the state and its rows together know of them, held against a list of all that were
//! accepted.

use std::collections::BTreeMap;

use journey_codec::{Batch, Record};
use journey_customer::{CustomerState, EventBody, JournalEvent, Lookup, RowsOfIds, apply};
use journey_types::limits::DEDUPE_WINDOW;
use journey_types::{CustomerKey, Fingerprint, Timestamp};

use super::super::Replica;
use super::facts::{Draw, accepted};

/// Every id ever accepted, by customer, with its stamp.
#[derive(Debug, Default)]
pub(super) struct AcceptedIds(BTreeMap<CustomerKey, BTreeMap<Fingerprint, Timestamp>>);

impl AcceptedIds {
    pub(super) fn note(&mut self, batch: &Batch) {
        for record in &batch.records {
            let Record::Turn(turn) = record else {
                continue;
            };
            for event in &turn.events {
                if let EventBody::EventAccepted {
                    fingerprint: Some(fingerprint),
                    ..
                } = event.body
                {
                    let of_customer = self.0.entry(turn.customer.clone()).or_default();
                    of_customer.insert(fingerprint, event.stamp);
                }
            }
        }
    }

    /// The replica knows each of them for 7 days, and no other; one of which it knows the prefix neither.
    pub(super) fn check(&self, replica: &mut Replica, now: Timestamp) {
        for (customer, ids) in &self.0 {
            let state = replica.customer(customer).unwrap().unwrap();
            for (fingerprint, accepted_at) in ids {
                let is_in_window = *accepted_at >= now.minus(DEDUPE_WINDOW);
                assert_eq!(
                    contains(replica, &state, fingerprint, now),
                    is_in_window,
                    "{customer} {fingerprint:?} of {accepted_at} at {now}"
                );
                let mut other = *fingerprint.bytes();
                other[9] ^= 1;
                let other = Fingerprint::from_bytes(other);
                assert!(!contains(replica, &state, &other, now), "{customer}");
            }
        }
    }
}

fn contains(
    replica: &Replica,
    state: &CustomerState,
    fingerprint: &Fingerprint,
    now: Timestamp,
) -> bool {
    let rows = match state.dedupe.look_up(fingerprint, now) {
        Lookup::Known | Lookup::New => RowsOfIds::NotAsked,
        Lookup::Rows(places) => {
            let accepted_at = replica.accepted_at(&state.key, fingerprint, &places);
            RowsOfIds::Asked(accepted_at.unwrap())
        }
    };
    state.dedupe.contains(fingerprint, now, rows)
}

/// A turn of many events, as of a customer that is busy.
pub(super) fn draw_busy_turn(
    state: &mut CustomerState,
    stamp: Timestamp,
    draw: &mut Draw,
) -> Vec<JournalEvent> {
    let mut events = Vec::new();
    for _ in 0..=draw.below(100) {
        let body = if state.last_sequence.get() == 0 {
            let birth = journey_types::BirthIndex::new(draw.next() >> 8);
            EventBody::CustomerBorn { birth }
        } else {
            accepted(state, stamp, draw)
        };
        let event = JournalEvent {
            sequence: state.last_sequence.next(),
            stamp,
            body,
        };
        apply(state, &event);
        events.push(event);
    }
    events
}
