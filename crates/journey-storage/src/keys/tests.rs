//! Keys: order, reading back, bad bytes, prefixes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Parts = (u16, String, u64, String, u32);

fn key_of((slot, workspace, due, customer, chunk): &Parts) -> Vec<u8> {
    KeyWriter::new(b't')
        .u16(*slot)
        .text(workspace)
        .u64(*due)
        .text(customer)
        .u32(*chunk)
        .finish()
}

fn read(key: &[u8]) -> Result<Parts, MalformedKey> {
    let mut reader = KeyReader::new(key);
    reader.u8()?;
    let parts = (
        reader.u16()?,
        reader.text()?,
        reader.u64()?,
        reader.text()?,
        reader.u32()?,
    );
    reader.finish()?;
    Ok(parts)
}

fn any_text() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            Just('\0'),
            Just('\u{1}'),
            Just('\u{2}'),
            Just('a'),
            Just('é'),
            any::<char>()
        ],
        0..5,
    )
    .prop_map(String::from_iter)
}

fn any_parts() -> impl Strategy<Value = Parts> {
    (0_u16..3, any_text(), 0_u64..3, any_text(), any::<u32>())
}

proptest! {
    #[test]
    fn order_of_keys_is_order_of_parts(one in any_parts(), two in any_parts()) {
        prop_assert_eq!(key_of(&one).cmp(&key_of(&two)), one.cmp(&two));
        prop_assert_eq!(read(&key_of(&one)), Ok(one));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..40)) {
        if let Ok(parts) = read(&bytes) {
            prop_assert_eq!(&key_of(&parts)[1..], &bytes[1..]);
        }
    }

    #[test]
    fn prefix_bounds_hold_exactly_the_keys_that_begin_so(
        prefix in vec(prop_oneof![Just(0_u8), Just(0xfe), Just(0xff)], 0..4),
        key in vec(prop_oneof![Just(0_u8), Just(0xfe), Just(0xff)], 0..6),
    ) {
        use std::ops::RangeBounds as _;
        prop_assert_eq!(prefix_bounds(&prefix).contains(&key), key.starts_with(&prefix));
    }
}

#[test]
fn encoding_is_what_lies_on_disk() {
    let key = KeyWriter::new(b's')
        .u16(258)
        .text("a\0b\u{1}")
        .u64(7)
        .u8(9)
        .finish();
    assert_eq!(
        key,
        b"s\x01\x02a\x01\x01b\x01\x02\x00\0\0\0\0\0\0\0\x07\x09"
    );
    let instant = KeyWriter::new(b't')
        .timestamp(Timestamp::from_unix_ms(256))
        .finish();
    assert_eq!(instant, b"t\0\0\0\0\0\0\x01\0");
}

#[test]
fn malformed_key_is_told_by_place_and_part() {
    let message = |read: &dyn Fn(&mut KeyReader<'_>) -> Result<(), MalformedKey>, key: &[u8]| {
        read(&mut KeyReader::new(key)).unwrap_err().to_string()
    };
    let text = |reader: &mut KeyReader<'_>| reader.text().map(drop);
    assert_eq!(
        message(&text, b"abc"),
        "key of 3 bytes has no text at byte 0"
    );
    assert_eq!(
        message(&text, b"\x01\x03\0"),
        "key of 3 bytes has no text at byte 0"
    );
    assert_eq!(
        message(&text, b"\xff\0"),
        "key of 2 bytes has no text at byte 0"
    );
    let late = |reader: &mut KeyReader<'_>| reader.timestamp().map(drop);
    assert_eq!(
        message(&late, &[0xff; 8]),
        "key of 8 bytes has no instant at byte 0"
    );
    assert_eq!(
        message(&late, &[0x0f; 8]),
        "key of 8 bytes has no instant at byte 0"
    );
    let number = |reader: &mut KeyReader<'_>| reader.u16().and(reader.u32()).map(drop);
    let expected = "key of 4 bytes has no part of known length at byte 2";
    assert_eq!(message(&number, b"abcd"), expected);
    let end = |reader: &mut KeyReader<'_>| reader.clone().finish();
    assert_eq!(message(&end, b"x"), "key of 1 bytes has no end at byte 0");
    let error = KeyReader::new(b"x")
        .malformed("slot")
        .in_tree("p7")
        .to_string();
    assert_eq!(
        error,
        "stored value in tree p7 is damaged: key of 1 bytes has no slot at byte 0"
    );
}
