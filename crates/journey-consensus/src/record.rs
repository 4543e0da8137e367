//! The durable form of what consensus itself keeps: entries, votes, log positions.
//!
//! ```text
//!   format (1), crc32c of the rest (4), protobuf
//! ```
//!
//! The format comes first and outside of what is checked, so that any release can tell what it reads.

use std::collections::BTreeSet;

use bytes::{Buf as _, Bytes};
use openraft::EntryPayload;
use prost::Message;

use crate::Payload;
use crate::raft_types::{Entry, LeaderId, LogId, Membership, Proposal, StoredMembership, Vote};

/// First byte of every value written by this release.
pub(crate) const FORMAT: u8 = 1;
const HEADER_SIZE_BYTES: usize = 1 + 4;

/// Why a stored value does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordFault {
    /// Another release wrote it.
    #[error("it has format {found}, and this release reads format {FORMAT}")]
    Format {
        /// The format that it names.
        found: u8,
    },
    /// Its bytes are not those that were written.
    #[error("{0}")]
    Damaged(String),
}

impl From<RecordFault> for String {
    fn from(fault: RecordFault) -> Self {
        fault.to_string()
    }
}

/// Place of an entry. Fields: 1 term, 2 leader (replica id), 3 index.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct LogIdRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) leader: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) index: u64,
}

/// A vote. Fields: 1 term, 2 replica voted for, 3 whether a quorum granted it.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct VoteRecord {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    leader: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

/// One set of voters. Field 1: replica ids.
#[derive(Clone, PartialEq, Eq, Message)]
struct VoterSetRecord {
    #[prost(uint64, repeated, tag = "1")]
    voters: Vec<u64>,
}

/// Who is in a group. Fields: 1 voter sets (two while changing), 2 all replicas with learners.
#[derive(Clone, PartialEq, Eq, Message)]
struct MembershipRecord {
    #[prost(message, repeated, tag = "1")]
    configs: Vec<VoterSetRecord>,
    #[prost(uint64, repeated, tag = "2")]
    replicas: Vec<u64>,
}

/// What an entry carries. Fields: 4 nothing, 5 a proposal's bytes, 6 a membership.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
enum PayloadRecord {
    #[prost(bool, tag = "4")]
    Blank(bool),
    #[prost(bytes = "bytes", tag = "5")]
    Normal(Bytes),
    #[prost(message, tag = "6")]
    Membership(MembershipRecord),
}

/// One log entry. Fields: 1 term, 2 leader, 3 index, then one of [`PayloadRecord`].
#[derive(Clone, PartialEq, Eq, Message)]
struct EntryRecord {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    leader: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
    #[prost(oneof = "PayloadRecord", tags = "4, 5, 6")]
    payload: Option<PayloadRecord>,
}

/// A place in the log with the membership in force there. Fields: 1 applied, 2 where the membership stands, 3 it.
#[derive(Clone, PartialEq, Eq, Message)]
struct PositionRecord {
    #[prost(message, optional, tag = "1")]
    applied: Option<LogIdRecord>,
    #[prost(message, optional, tag = "2")]
    membership_at: Option<LogIdRecord>,
    #[prost(message, optional, tag = "3")]
    membership: Option<MembershipRecord>,
}

/// A place in the log with the membership in force there: the blob a state machine keeps beside its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl Position {
    pub(crate) fn encode(&self) -> Bytes {
        let record = PositionRecord {
            applied: self.applied.as_ref().map(log_id_record),
            membership_at: self.membership.log_id().as_ref().map(log_id_record),
            membership: Some(membership_record(self.membership.membership())),
        };
        Bytes::from(with_format(&record))
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, RecordFault> {
        let record: PositionRecord = decode(bytes)?;
        let membership = record.membership.as_ref().map(membership_of);
        Ok(Self {
            applied: record.applied.map(log_id_of),
            membership: StoredMembership::new(
                record.membership_at.map(log_id_of),
                membership.unwrap_or_default(),
            ),
        })
    }
}

pub(crate) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let id = log_id_record(&entry.log_id);
    with_format(&EntryRecord {
        term: id.term,
        leader: id.leader,
        index: id.index,
        payload: Some(match &entry.payload {
            EntryPayload::Blank => PayloadRecord::Blank(true),
            EntryPayload::Normal(proposal) => PayloadRecord::Normal(proposal.0.bytes.clone()),
            EntryPayload::Membership(membership) => {
                PayloadRecord::Membership(membership_record(membership))
            }
        }),
    })
}

pub(crate) fn decode_entry(bytes: Bytes) -> Result<Entry, RecordFault> {
    let record: EntryRecord = decode(bytes)?;
    let payload = match record.payload {
        Some(PayloadRecord::Blank(_)) => EntryPayload::Blank,
        Some(PayloadRecord::Normal(bytes)) => EntryPayload::Normal(Proposal(Payload {
            bytes,
            decoded: None,
        })),
        Some(PayloadRecord::Membership(membership)) => {
            EntryPayload::Membership(membership_of(&membership))
        }
        None => {
            let reason = "it carries nothing this release knows".to_owned();
            return Err(RecordFault::Damaged(reason));
        }
    };
    let log_id = log_id_of(LogIdRecord {
        term: record.term,
        leader: record.leader,
        index: record.index,
    });
    Ok(Entry { log_id, payload })
}

pub(crate) fn encode_vote(vote: &Vote) -> Vec<u8> {
    with_format(&VoteRecord {
        term: vote.leader_id.term,
        leader: vote.leader_id.node_id,
        committed: vote.committed,
    })
}

pub(crate) fn decode_vote(bytes: Bytes) -> Result<Vote, RecordFault> {
    let record: VoteRecord = decode(bytes)?;
    Ok(if record.committed {
        Vote::new_committed(record.term, record.leader)
    } else {
        Vote::new(record.term, record.leader)
    })
}

pub(crate) fn encode_log_id(log_id: &LogId) -> Vec<u8> {
    with_format(&log_id_record(log_id))
}

pub(crate) fn decode_log_id(bytes: Bytes) -> Result<LogId, RecordFault> {
    decode(bytes).map(log_id_of)
}

/// The message behind its header.
pub(crate) fn with_format(record: &impl Message) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_SIZE_BYTES + record.encoded_len());
    value.push(FORMAT);
    value.extend([0; HEADER_SIZE_BYTES - 1]);
    record
        .encode(&mut value)
        .expect("a vector grows as it is written");
    let checksum = crc32c::crc32c(&value[HEADER_SIZE_BYTES..]);
    value[1..HEADER_SIZE_BYTES].copy_from_slice(&checksum.to_be_bytes());
    value
}

/// Reads what [`with_format`] wrote; payload bytes are slices of `bytes`, not copies.
pub(crate) fn decode<M: Message + Default>(mut bytes: Bytes) -> Result<M, RecordFault> {
    let damaged = |reason: &str| RecordFault::Damaged(reason.to_owned());
    if bytes.is_empty() {
        return Err(damaged("it is empty"));
    }
    let found = bytes.get_u8();
    if found != FORMAT {
        return Err(RecordFault::Format { found });
    }
    if bytes.len() < HEADER_SIZE_BYTES - 1 {
        return Err(damaged("it is cut"));
    }
    let checksum = bytes.get_u32();
    if crc32c::crc32c(&bytes) != checksum {
        return Err(damaged("its checksum does not fit"));
    }
    M::decode(bytes).map_err(|error| RecordFault::Damaged(error.to_string()))
}

fn log_id_record(log_id: &LogId) -> LogIdRecord {
    let leader = log_id.committed_leader_id();
    LogIdRecord {
        term: leader.term,
        leader: leader.node_id,
        index: log_id.index(),
    }
}

fn log_id_of(record: LogIdRecord) -> LogId {
    let leader = LeaderId {
        term: record.term,
        node_id: record.leader,
    };
    LogId::new(leader, record.index)
}

fn membership_record(membership: &Membership) -> MembershipRecord {
    let configs = membership.get_joint_config().iter();
    MembershipRecord {
        configs: configs
            .map(|voters| VoterSetRecord {
                voters: voters.iter().copied().collect(),
            })
            .collect(),
        replicas: membership.nodes().map(|(id, ())| *id).collect(),
    }
}

fn membership_of(record: &MembershipRecord) -> Membership {
    let configs = record.configs.iter();
    let configs = configs
        .map(|set| set.voters.iter().copied().collect::<BTreeSet<_>>())
        .collect();
    Membership::new_with_defaults(configs, record.replicas.iter().copied())
}

#[cfg(test)]
mod tests;
