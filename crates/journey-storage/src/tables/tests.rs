//! Tables: bytes that lie on disk, order, reading back.

use super::*;
use crate::limits::KEY_SIZE_BYTES_MAX;

fn customer(workspace: &str, customer: &str) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::new(workspace).unwrap(),
        customer: CustomerId::new(customer).unwrap(),
    }
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

#[test]
fn bytes_of_tables_are_distinct_and_in_order() {
    let bytes = Table::ALL.map(Table::byte);
    assert_eq!(bytes, *b"adklmoprst");
    assert!(Table::ALL.is_sorted());
}

#[test]
fn customer_key_reads_back_with_what_follows() {
    let address = customer("shop", "c-1");
    let key = Table::CustomerPart
        .customer_key(slot(258), &address)
        .u64(7)
        .finish();
    assert_eq!(key, b"r\x01\x02shop\0c-1\0\0\0\0\0\0\0\0\x07");
    let mut reader = Table::CustomerPart.read(&key).unwrap();
    assert_eq!(reader.customer().unwrap(), (slot(258), address));
    assert_eq!(reader.u64().unwrap(), 7);
    reader.finish().unwrap();
}

#[test]
fn timers_lie_in_order_of_due_time() {
    let at = |ms, name| timer_key(Timestamp::from_unix_ms(ms), &customer("shop", name));
    let keys = [
        at(1, "z"),
        at(2, "a"),
        at(255, "b"),
        at(256, "a"),
        at(256, "ab"),
        at(i64::MAX, "a"),
    ];
    assert!(keys.is_sorted());
    let mut reader = Table::Timer.read(&keys[4]).unwrap();
    assert_eq!(reader.timestamp().unwrap(), Timestamp::from_unix_ms(256));
    assert_eq!(reader.address().unwrap(), customer("shop", "ab"));
    reader.finish().unwrap();
}

#[test]
fn open_effects_lie_in_order_of_customers() {
    let customers = [("a", "z"), ("ab", "a"), ("b", "a"), ("b", "ab")].map(|(w, c)| customer(w, c));
    assert!(customers.is_sorted());
    assert!(customers.each_ref().map(outbox_key).is_sorted());
}

#[test]
fn foreign_and_bad_keys_are_refused() {
    let key = Table::Customer
        .customer_key(slot(1), &customer("shop", "c"))
        .finish();
    assert!(Table::Timer.read(&key).is_err());
    assert!(Table::Timer.read(b"").is_err());
    for bad in [
        b"s\xff\xffshop\0c\0".as_slice(),
        b"s\0\x01\0c\0",
        b"s\0\x01shop\0\x01\x01\0",
        b"s\0",
    ] {
        let error = Table::Customer.read(bad).unwrap().customer();
        assert!(error.is_err(), "{bad:?}");
    }
}

#[test]
fn longest_addresses_fit_a_key() {
    let long = "x".repeat(journey_types::limits::ID_SIZE_BYTES_MAX);
    let key = Table::Dedupe
        .customer_key(slot(1), &customer(&long, &long))
        .u64(1)
        .u64(1)
        .u64(1);
    assert!(key.finish().len() <= KEY_SIZE_BYTES_MAX);
}
