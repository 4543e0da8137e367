//! Keys of parts there and back, in order.

use super::*;

#[test]
fn bytes_name_the_part_and_keep_its_order() {
    let parts = [
        PartId::Profile,
        PartId::History,
        PartId::Journeys,
        PartId::Outbox,
        PartId::Timeline,
        PartId::PausedTurn,
        PartId::Instance(InstanceNumber::new(1)),
        PartId::Instance(InstanceNumber::new(256)),
        PartId::DedupeChunk(0),
        PartId::DedupeChunk(u64::MAX),
        PartId::DeadLetter(Sequence::new(4)),
        PartId::Quarantined(Sequence::new(2)),
        PartId::IdSegment(5),
    ];
    assert!(parts.is_sorted());
    assert!(parts.map(PartId::to_bytes).is_sorted());
    for part in parts {
        assert_eq!(PartId::from_bytes(part.to_bytes()), Some(part));
    }
}

#[test]
fn bytes_of_no_part_are_refused() {
    for bytes in [
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 1],
        [12, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(PartId::from_bytes(bytes), None);
    }
}
