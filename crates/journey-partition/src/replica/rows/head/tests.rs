//! Head rows: both ways, and bytes that are none.

use super::*;

fn index(due_ms: Option<i64>) -> HeadIndex {
    HeadIndex {
        mark: Lsn::new(300),
        due_at: due_ms.map(Timestamp::from_unix_ms),
        filed_at: due_ms.map(|ms| Timestamp::from_unix_ms(ms - 2)),
        set_aside_since: due_ms.map(|ms| Timestamp::from_unix_ms(ms - 7)),
        first_segment: 24,
        has_open_effects: due_ms.is_some(),
    }
}

#[test]
fn head_rows_read_back() {
    let part = PartId::DedupeChunk(9);
    let parts = [
        (PartId::Profile, Bytes::from_static(b"traits")),
        (part, Bytes::new()),
    ];
    let inline = HeadRow::inline(index(Some(77)), b"head", &parts);
    assert_eq!(inline.size_bytes(), HeadRow::inline_size_bytes(4 + 6, 2));
    assert_eq!(inline.to_bytes().len(), inline.size_bytes());
    assert_eq!(
        inline_bytes(&index(Some(77)), b"head", &parts),
        inline.to_bytes()
    );
    let read = HeadRow::parse(inline.to_bytes()).unwrap();
    assert_eq!(read, inline);
    let (head, found) = read.whole().unwrap();
    assert_eq!(head, b"head");
    let parts = parts.iter().map(|(part, bytes)| (*part, &bytes[..]));
    assert_eq!(found, parts.collect::<Vec<_>>());
    for form in [Form::Parts, Form::LongHead] {
        let row = HeadRow::new(index(None), form, Bytes::from_static(b"head"));
        assert_eq!(HeadRow::parse(row.to_bytes()).unwrap(), row);
    }
}

#[test]
fn bytes_of_the_head_row_stay_as_released() {
    let row = HeadRow::new(index(Some(258)), Form::Parts, Bytes::from_static(b"x"));
    let expected = b"\x01\x01\0\0\0\0\0\0\x01\x2c\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\xfb\0\0\0\0\0\0\0\x18\x01\x01x";
    assert_eq!(row.to_bytes(), expected);
}

#[test]
fn cut_and_foreign_rows_are_refused() {
    let parts = [(PartId::Profile, Bytes::from_static(b"traits"))];
    let row = HeadRow::inline(index(Some(77)), b"head", &parts).to_bytes();
    let end_of_head = HEADER_SIZE_BYTES + LENGTH_SIZE_BYTES + 4;
    for length in (0..row.len()).filter(|length| *length != end_of_head) {
        let read = HeadRow::parse(row[..length].to_vec());
        assert!(
            read.and_then(|row| row.whole().map(drop)).is_err(),
            "cut to {length}"
        );
    }
    for (byte_idx, byte) in [(0, 2), (1, 2), (10, 0x7f), (18, 0x7f), (27, 3), (44, 99)] {
        let mut row = row.clone();
        row[byte_idx] = byte;
        let read = HeadRow::parse(row);
        assert!(
            read.and_then(|row| row.whole().map(drop)).is_err(),
            "byte {byte_idx}"
        );
    }
}
