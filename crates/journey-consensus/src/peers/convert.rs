//! openraft's requests and answers in the form in which they travel, and back.

use bytes::Bytes;
use journey_proto::internal as wire;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use wire::{append_answer, peer_answer, transfer_answer};

use crate::raft_types::{LeaderId, LogId, Types, Vote};
use crate::record;

pub(crate) fn vote_to_wire(vote: &Vote) -> wire::Vote {
    wire::Vote {
        term: vote.leader_id.term,
        leader: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub(crate) fn vote_of(vote: Option<wire::Vote>) -> Result<Vote, String> {
    let vote = vote.ok_or_else(|| "a message without a vote".to_owned())?;
    Ok(if vote.committed {
        Vote::new_committed(vote.term, vote.leader)
    } else {
        Vote::new(vote.term, vote.leader)
    })
}

fn position_to_wire(log_id: &LogId) -> wire::LogPosition {
    let leader = log_id.committed_leader_id();
    wire::LogPosition {
        term: leader.term,
        leader: leader.node_id,
        index: log_id.index(),
    }
}

fn position_of(position: wire::LogPosition) -> LogId {
    let leader = LeaderId {
        term: position.term,
        node_id: position.leader,
    };
    LogId::new(leader, position.index)
}

pub(super) fn append_to_wire(request: &AppendEntriesRequest<Types>) -> wire::Append {
    let entries = request.entries.iter();
    wire::Append {
        vote: Some(vote_to_wire(&request.vote)),
        previous: request.prev_log_id.as_ref().map(position_to_wire),
        committed: request.leader_commit.as_ref().map(position_to_wire),
        entries: entries
            .map(|entry| Bytes::from(record::encode_entry(entry)))
            .collect(),
    }
}

/// Reads an append; entries that do not read back are refused with the whole of it.
pub(crate) fn append_of(append: wire::Append) -> Result<AppendEntriesRequest<Types>, String> {
    let entries: Result<Vec<_>, _> = append
        .entries
        .into_iter()
        .map(record::decode_entry)
        .collect();
    Ok(AppendEntriesRequest {
        vote: vote_of(append.vote)?,
        prev_log_id: append.previous.map(position_of),
        leader_commit: append.committed.map(position_of),
        entries: entries.map_err(|fault| format!("an entry does not read: {fault}"))?,
    })
}

pub(crate) fn answer_to_append(response: &AppendEntriesResponse<Types>) -> peer_answer::Body {
    use append_answer::Outcome;
    let outcome = match response {
        AppendEntriesResponse::Success => Outcome::Stored(true),
        AppendEntriesResponse::PartialSuccess(through) => {
            Outcome::PartlyStored(wire::PartlyStored {
                through: through.as_ref().map(position_to_wire),
            })
        }
        AppendEntriesResponse::Conflict => Outcome::Conflict(true),
        AppendEntriesResponse::HigherVote(vote) => Outcome::HigherVote(vote_to_wire(vote)),
    };
    peer_answer::Body::Append(wire::AppendAnswer {
        outcome: Some(outcome),
    })
}

pub(super) fn append_response_of(
    answer: peer_answer::Body,
) -> Result<AppendEntriesResponse<Types>, String> {
    use append_answer::Outcome;
    let peer_answer::Body::Append(answer) = answer else {
        return Err(unexpected("an append"));
    };
    Ok(match answer.outcome {
        Some(Outcome::Stored(_)) => AppendEntriesResponse::Success,
        Some(Outcome::PartlyStored(partly)) => {
            AppendEntriesResponse::PartialSuccess(partly.through.map(position_of))
        }
        Some(Outcome::Conflict(_)) => AppendEntriesResponse::Conflict,
        Some(Outcome::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote_of(Some(vote))?),
        None => return Err(unexpected("an append")),
    })
}

pub(super) fn vote_question_to_wire(request: &VoteRequest<Types>) -> wire::VoteQuestion {
    wire::VoteQuestion {
        vote: Some(vote_to_wire(&request.vote)),
        last: request.last_log_id.as_ref().map(position_to_wire),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(crate) fn vote_question_of(question: wire::VoteQuestion) -> Result<VoteRequest<Types>, String> {
    let last = question.last.map(position_of);
    let mut request = VoteRequest::new(vote_of(question.vote)?, last);
    request.leadership_transfer = question.leadership_transfer;
    Ok(request)
}

pub(crate) fn answer_to_vote(response: &VoteResponse<Types>) -> peer_answer::Body {
    peer_answer::Body::Vote(wire::VoteAnswer {
        vote: Some(vote_to_wire(&response.vote)),
        granted: response.vote_granted,
        last: response.last_log_id.as_ref().map(position_to_wire),
    })
}

pub(super) fn vote_response_of(answer: peer_answer::Body) -> Result<VoteResponse<Types>, String> {
    let peer_answer::Body::Vote(answer) = answer else {
        return Err(unexpected("a vote"));
    };
    let last = answer.last.map(position_of);
    Ok(VoteResponse::new(
        vote_of(answer.vote)?,
        last,
        answer.granted,
    ))
}

pub(super) fn transfer_to_wire(request: &TransferLeaderRequest<Types>) -> wire::TransferLeadership {
    wire::TransferLeadership {
        from: Some(vote_to_wire(request.from_leader())),
        to: *request.to_node_id(),
        last: request.last_log_id().map(position_to_wire),
    }
}

pub(crate) fn transfer_of(
    transfer: wire::TransferLeadership,
) -> Result<TransferLeaderRequest<Types>, String> {
    let last = transfer.last.map(position_of);
    Ok(TransferLeaderRequest::new(
        vote_of(transfer.from)?,
        transfer.to,
        last,
    ))
}

pub(crate) fn answer_to_transfer(response: TransferLeaderResponse<Types>) -> peer_answer::Body {
    use transfer_answer::Outcome;
    let outcome = match response {
        Ok(()) => Outcome::Accepted(true),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            Outcome::VoteChanged(wire::VoteChanged {
                expected: Some(vote_to_wire(&expected)),
                actual: Some(vote_to_wire(&actual)),
            })
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            Outcome::LogNotFlushed(wire::LogNotFlushed {
                expected: expected.as_ref().map(position_to_wire),
                actual: actual.as_ref().map(position_to_wire),
            })
        }
    };
    peer_answer::Body::Transfer(wire::TransferAnswer {
        outcome: Some(outcome),
    })
}

pub(super) fn transfer_response_of(
    answer: peer_answer::Body,
) -> Result<TransferLeaderResponse<Types>, String> {
    use transfer_answer::Outcome;
    let peer_answer::Body::Transfer(answer) = answer else {
        return Err(unexpected("a transfer"));
    };
    Ok(match answer.outcome {
        Some(Outcome::Accepted(_)) => Ok(()),
        Some(Outcome::VoteChanged(changed)) => Err(TransferLeaderError::VoteChanged {
            expected: vote_of(changed.expected)?,
            actual: vote_of(changed.actual)?,
        }),
        Some(Outcome::LogNotFlushed(behind)) => Err(TransferLeaderError::LogNotFlushed {
            expected: behind.expected.map(position_of),
            actual: behind.actual.map(position_of),
        }),
        None => return Err(unexpected("a transfer")),
    })
}

fn unexpected(to: &str) -> String {
    format!("the answer to {to} is none of those this release knows")
}
