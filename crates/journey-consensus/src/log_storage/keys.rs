//! Keys of the log tree: `group u32 BE | kind | index u64 BE [| chunk u16 BE]`, so that the rows of one entry lie
//! together, the rows of one group lie together, and both in order.

use crate::GroupId;

/// An entry: its head row has no chunk number, the chunks of a long one follow it.
const KIND_ENTRY: u8 = 1;
/// The last vote.
const KIND_VOTE: u8 = 2;
/// Up to where the log is purged.
const KIND_PURGED: u8 = 3;
/// Which replica this log belongs to.
const KIND_OWNER: u8 = 4;
/// Up to where a snapshot is being installed, or was.
const KIND_INSTALLING: u8 = 5;

const HEAD_SIZE_BYTES: usize = 13;

/// What a key of the entry range names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKey {
    Head { index: u64 },
    Chunk { index: u64, chunk: u16 },
}

pub(super) fn vote(group: GroupId) -> Vec<u8> {
    prefix(group, KIND_VOTE)
}

pub(super) fn purged(group: GroupId) -> Vec<u8> {
    prefix(group, KIND_PURGED)
}

pub(super) fn owner(group: GroupId) -> Vec<u8> {
    prefix(group, KIND_OWNER)
}

pub(super) fn installing(group: GroupId) -> Vec<u8> {
    prefix(group, KIND_INSTALLING)
}

pub(super) fn entry(group: GroupId, index: u64) -> Vec<u8> {
    let mut key = prefix(group, KIND_ENTRY);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

pub(super) fn chunk(group: GroupId, index: u64, chunk: u16) -> Vec<u8> {
    let mut key = entry(group, index);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// The first key after all entries of the group.
pub(super) fn after_entries(group: GroupId) -> Vec<u8> {
    prefix(group, KIND_ENTRY + 1)
}

/// All keys of the group, and the first after them.
pub(super) fn of_group(group: GroupId) -> (Vec<u8>, Vec<u8>) {
    let first = group.get().to_be_bytes();
    (first.to_vec(), prefix(group, u8::MAX))
}

pub(super) fn parse_entry(key: &[u8]) -> Option<EntryKey> {
    let (index, chunk) = key.get(5..)?.split_first_chunk::<8>()?;
    let index = u64::from_be_bytes(*index);
    match chunk {
        [] => Some(EntryKey::Head { index }),
        [high, low] => Some(EntryKey::Chunk {
            index,
            chunk: u16::from_be_bytes([*high, *low]),
        }),
        _ => None,
    }
}

fn prefix(group: GroupId, kind: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(HEAD_SIZE_BYTES + 2);
    key.extend_from_slice(&group.get().to_be_bytes());
    key.push(kind);
    key
}
