//! Holds the stored bytes of every kind of record and row to a text file: what one release wrote, every later one reads
//! alike. A change of that file is a change of the durable format and needs a gate.

mod facts;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use journey_customer::{
    Departure, Ending, EventBody, InstanceRef, JournalEvent, Outcome, TimerKind,
};
use journey_types::{
    BatchNumber, CatalogRevision, CustomerEvent, CustomerKey, DefinitionVersion, InstanceNumber,
    Sequence, SessionId, Timestamp, Value,
};

use crate::journal::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};
use crate::wire::Writer;
use crate::wire::message::Kinds;
use crate::{decode_entry, encode_entry};

const ENTRIES: &str = include_str!("golden/entries_1.txt");
const ROWS: &str = include_str!("golden/rows_1.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// One line a thing: its name and its bytes.
fn table<'t>(rows: impl IntoIterator<Item = (&'t str, Bytes)>) -> String {
    rows.into_iter()
        .fold(String::new(), |mut text, (name, bytes)| {
            writeln!(text, "{name} {}", hex(&bytes)).unwrap();
            text
        })
}

fn lines(table: &str) -> BTreeMap<&str, Vec<u8>> {
    let lines = table.lines().map(|line| line.split_once(' ').unwrap());
    lines.map(|(name, hex)| (name, unhex(hex))).collect()
}

fn at(unix_ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(unix_ms)
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn key() -> CustomerKey {
    CustomerKey {
        workspace: id("shop"),
        customer: id("c-1"),
    }
}

fn every_value() -> BTreeMap<String, Value> {
    let list = vec![Value::Null, Value::Bool(true), Value::Int(-3)];
    let map = BTreeMap::from([("deep".to_owned(), Value::List(Vec::new()))]);
    BTreeMap::from([
        ("at".to_owned(), Value::Time(at(1_700_000_000_000))),
        ("list".to_owned(), Value::List(list)),
        ("map".to_owned(), Value::Map(map)),
        ("price".to_owned(), Value::Double(29.99)),
        ("sku".to_owned(), Value::text("a-7")),
    ])
}

fn event() -> Arc<CustomerEvent> {
    Arc::new(CustomerEvent {
        customer: key(),
        source: id("web"),
        id: id("e-1"),
        name: id("cart_added"),
        occurred_at: at(1_700_000_000_000),
        channel: Some("app".to_owned()),
        device: Some("phone".to_owned()),
        properties: every_value(),
    })
}

fn instance() -> InstanceRef {
    InstanceRef {
        number: InstanceNumber::new(4),
        journey: id("cart"),
        version: DefinitionVersion::new(2),
    }
}

fn turn_of(bodies: Vec<EventBody>) -> JournalEntry {
    let stamp = at(1_700_000_000_500);
    let events = (9..).zip(bodies).map(|(sequence, body)| JournalEvent {
        sequence: Sequence::new(sequence),
        stamp,
        body,
    });
    batch_of(Record::Turn(Turn {
        customer: key(),
        events: events.collect(),
    }))
}

fn batch_of(record: Record) -> JournalEntry {
    JournalEntry::Batch(Batch {
        session: SessionId::new(11),
        number: BatchNumber::new(2),
        records: vec![record],
    })
}

fn entries() -> Vec<(&'static str, JournalEntry)> {
    let opened = JournalEntry::SessionOpened(SessionOpened { opener: 7 });
    let adopted = batch_of(Record::CatalogAdopted(CatalogAdopted {
        stamp: at(1_700_000_000_500),
        revision: CatalogRevision::new(3),
        digest: [0xab; 32],
    }));
    let irregular = batch_of(Record::Turn(Turn {
        customer: key(),
        events: vec![
            JournalEvent {
                sequence: Sequence::new(1),
                stamp: at(5),
                body: EventBody::TurnResumed,
            },
            JournalEvent {
                sequence: Sequence::new(3),
                stamp: at(6),
                body: EventBody::TurnResumed,
            },
        ],
    }));
    let facts = facts::facts();
    let whole = facts.iter().map(|(_, body)| body.clone()).collect();
    let mut entries = vec![
        ("session_opened", opened),
        ("catalog_adopted", adopted),
        ("irregular_turn", irregular),
        ("every_fact_in_one_turn", turn_of(whole)),
    ];
    entries.extend(
        facts
            .into_iter()
            .map(|(name, body)| (name, turn_of(vec![body]))),
    );
    entries
}

#[test]
fn entries_are_written_as_the_first_release_wrote_them() {
    let entries = entries();
    let written = entries
        .iter()
        .map(|(name, entry)| (*name, encode_entry(entry)));
    let written = table(written);
    assert!(
        written == ENTRIES,
        "the journal's format has changed:\n{written}"
    );
}

#[test]
fn entries_of_the_first_release_are_read() {
    let stored = lines(ENTRIES);
    for (name, entry) in entries() {
        assert_eq!(decode_entry(&stored[name]).unwrap(), entry, "{name}");
    }
}

#[test]
fn every_kind_of_fact_has_its_golden_bytes() {
    fn seen<'k, T: Kinds + 'k>(kinds: impl Iterator<Item = &'k T>) -> BTreeSet<u32> {
        kinds
            .map(|kind| {
                let mut out = Writer::new(None);
                out.shared_events = Some(Vec::new());
                kind.write_kind(&mut out);
                let bytes = out.into_bytes();
                let mut rest = bytes.as_slice();
                u32::try_from(crate::wire::take_varint(&mut rest).unwrap() >> 3).unwrap()
            })
            .collect()
    }
    fn all<T: Kinds>() -> BTreeSet<u32> {
        T::KINDS.iter().copied().collect()
    }
    let facts: Vec<EventBody> = facts::facts().into_iter().map(|(_, body)| body).collect();
    let departures = facts.iter().filter_map(|fact| match fact {
        EventBody::StepMoved { how, .. } => Some(how),
        _ => None,
    });
    let endings = facts.iter().filter_map(|fact| match fact {
        EventBody::InstanceEnded { ending, .. } => Some(ending),
        _ => None,
    });
    let outcomes = facts.iter().filter_map(|fact| match fact {
        EventBody::EffectSettled { outcome, .. } => Some(outcome),
        _ => None,
    });
    let timers = facts.iter().filter_map(|fact| match fact {
        EventBody::TimerFired { timer, .. } => Some(timer),
        _ => None,
    });
    assert_eq!(seen(facts.iter()), all::<EventBody>());
    assert_eq!(seen(departures), all::<Departure>());
    assert_eq!(seen(endings), all::<Ending>());
    assert_eq!(seen(outcomes), all::<Outcome>());
    assert_eq!(seen(timers), all::<TimerKind>());
}

#[test]
fn rows_are_written_as_the_first_release_wrote_them() {
    let rows = rows::rows();
    let written = table(
        rows.iter()
            .map(|(name, bytes)| (name.as_str(), bytes.clone())),
    );
    assert!(
        written == ROWS,
        "the format of rows has changed:\n{written}"
    );
}

#[test]
fn rows_of_the_first_release_are_read() {
    rows::check(&lines(ROWS));
}
