//! What is written reads back the same, and what is not known is refused.

use std::collections::BTreeSet;

use bytes::Bytes;
use openraft::EntryPayload;

use super::{
    Position, RecordFault, decode_entry, decode_log_id, decode_vote, encode_entry, encode_log_id,
    encode_vote,
};
use crate::Payload;
use crate::raft_types::{Entry, LeaderId, LogId, Membership, Proposal, StoredMembership, Vote};

fn log_id(term: u64, leader: u64, index: u64) -> LogId {
    LogId::new(
        LeaderId {
            term,
            node_id: leader,
        },
        index,
    )
}

fn membership() -> Membership {
    Membership::new_with_defaults(
        vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])],
        [1, 2, 3, 9],
    )
}

#[test]
fn entries_of_every_kind_read_back() {
    let payloads: [EntryPayload<Proposal, u64, ()>; 3] = [
        EntryPayload::Blank,
        EntryPayload::Normal(Proposal(Payload {
            bytes: Bytes::from_static(b"decision"),
            decoded: None,
        })),
        EntryPayload::Membership(membership()),
    ];
    for payload in payloads {
        let entry = Entry {
            log_id: log_id(7, 3, 41),
            payload,
        };
        let again = decode_entry(Bytes::from(encode_entry(&entry))).unwrap();
        assert_eq!(again.log_id, entry.log_id);
        assert_eq!(
            format!("{:?}", again.payload),
            format!("{:?}", entry.payload)
        );
        if let (EntryPayload::Normal(again), EntryPayload::Normal(entry)) =
            (&again.payload, &entry.payload)
        {
            assert_eq!(again.0.bytes, entry.0.bytes);
        }
    }
}

#[test]
fn votes_and_positions_read_back() {
    for vote in [Vote::new(3, 2), Vote::new_committed(4, 1)] {
        assert_eq!(decode_vote(Bytes::from(encode_vote(&vote))).unwrap(), vote);
    }
    let id = log_id(1, 2, u64::MAX);
    assert_eq!(decode_log_id(Bytes::from(encode_log_id(&id))).unwrap(), id);
    let position = Position {
        applied: Some(id),
        membership: StoredMembership::new(Some(log_id(1, 2, 0)), membership()),
    };
    assert_eq!(Position::decode(position.encode()).unwrap(), position);
    assert_eq!(
        Position::decode(Position::default().encode()).unwrap(),
        Position::default()
    );
}

#[test]
fn unknown_format_is_refused_by_number() {
    let mut bytes = encode_vote(&Vote::new(3, 2));
    bytes[0] = 9;
    let refusal = decode_vote(Bytes::from(bytes)).unwrap_err();
    assert_eq!(refusal, RecordFault::Format { found: 9 });
    assert!(decode_vote(Bytes::new()).is_err());
}
