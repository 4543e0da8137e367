//! Floors there and back, also through the generated reader.

use journey_proto::durable;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::arbitrary;

proptest! {
    #[test]
    fn floors_come_back_as_they_were(
        control in arbitrary::state::control(),
        consensus in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
    ) {
        let consensus = consensus.map(Bytes::from);
        let bytes = encode_floor(&control, consensus.as_ref());
        prop_assert_eq!(decode_floor(&bytes).unwrap(), (control, consensus.clone()));
        let generated = durable::Floor::decode(&bytes[1..]).unwrap();
        let mut again = vec![bytes[0]];
        generated.encode(&mut again).unwrap();
        prop_assert_eq!(decode_floor(&again).unwrap(), (control, consensus));
    }
}

#[test]
fn a_partition_begins_with_nothing() {
    let control = Control::default();
    let bytes = encode_floor(&control, None);
    assert_eq!(decode_floor(&bytes).unwrap(), (control, None));
}
