//! Numbers, lengths, and bytes that are no fields.

use super::field::{Plain, unzigzag, zigzag};
use super::*;

fn round_trip<T: Plain>(value: &T) -> (usize, T) {
    let mut out = Writer::new(None);
    value.put(1, &mut out);
    let bytes = out.into_bytes();
    let mut fields = Fields::new(&bytes, ReadContext::default());
    let (number, wire) = fields.next("test").unwrap().unwrap();
    assert_eq!(number, 1);
    (bytes.len(), T::take(wire).unwrap())
}

#[test]
fn wide_numbers_take_no_more_bytes_than_they_need() {
    for (number, n_bytes) in [
        (0_i128, 1),
        (-1, 1),
        (127, 1),
        (128, 2),
        (-128, 1),
        (-129, 2),
        (29_990_000_000, 5),
        (i128::MAX, 16),
        (i128::MIN, 16),
    ] {
        assert_eq!(round_trip(&number), (2 + n_bytes, number));
    }
}

#[test]
fn signed_numbers_near_zero_are_small() {
    for number in [0, 1, -1, i64::MAX, i64::MIN] {
        assert_eq!(unzigzag(zigzag(number)), number);
    }
    assert_eq!(zigzag(-1), 1);
}

#[test]
fn lengths_of_any_size_are_written_in_front() {
    for length in [0, 127, 128, 16_383, 16_384, 3_000_000] {
        let mut out = Writer::new(None);
        out.message(3, |out| out.raw(&vec![7; length]));
        let bytes = out.into_bytes();
        let mut fields = Fields::new(&bytes, ReadContext::default());
        let (number, wire) = fields.next("test").unwrap().unwrap();
        assert_eq!((number, wire.bytes().unwrap().len()), (3, length));
        assert!(fields.next("test").unwrap().is_none());
    }
}

#[test]
fn bytes_that_are_no_fields_are_refused() {
    for (bytes, reason) in [
        (&[0x80][..], "cut off inside a varint"),
        (&[0x08, 0xff], "cut off inside a varint"),
        (&[0x00, 0x00], "field number 0 is out of range"),
        (&[0x0b], "field 1 has wire type 3"),
        (&[0x0a, 0x05, 0x00], "cut off inside 5 bytes"),
        (&[0x09, 0x05, 0x00], "cut off inside eight bytes"),
        (
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
            ],
            "a varint beyond 64 bits",
        ),
    ] {
        let error = Fields::new(bytes, ReadContext::default())
            .next("test")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("test, field 0: {reason}: the bytes are damaged")
        );
    }
}
