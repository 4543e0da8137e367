//! What other replicas ask of this one.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use journey_proto::internal as wire;
use tokio::sync::oneshot;
use wire::{peer_answer, peer_request, proposal_answer, read_index_answer};

use super::running::{RaftGroup, Running};
use super::{GroupCore as _, running};
use crate::peers::{
    answer_to_append, answer_to_transfer, answer_to_vote, append_of, transfer_of, vote_question_of,
};
use crate::{LeadershipProof, Payload, ProposeOutcome};

type PeerAnswer = Result<peer_answer::Body, String>;

impl Running {
    /// Answers a peer; the text says why a request was not looked at.
    pub(super) fn answer(&self, body: peer_request::Body) -> BoxFuture<'static, PeerAnswer> {
        if matches!(body, peer_request::Body::Append(_)) {
            self.silence.ends();
        }
        match body {
            peer_request::Body::Propose(proposal) => self.propose_for(proposal),
            peer_request::Body::ReadIndex(_) => self.read_index_for(),
            body => answer_raft(self.raft.clone(), body).boxed(),
        }
    }

    fn propose_for(&self, proposal: wire::Proposal) -> BoxFuture<'static, PeerAnswer> {
        let (tell, outcome) = oneshot::channel();
        let payload = Payload {
            bytes: proposal.payload,
            decoded: None,
        };
        let done = Box::new(move |outcome| {
            if tell.send(outcome).is_err() {
                tracing::trace!("the peer has gone");
            }
        });
        self.propose(payload, done);
        async move {
            use proposal_answer::Outcome;
            let outcome = match outcome.await.unwrap_or(ProposeOutcome::Lost) {
                ProposeOutcome::Applied { index } => Outcome::Applied(index),
                ProposeOutcome::Superseded { index } => Outcome::Superseded(index),
                ProposeOutcome::Refused(reason) => Outcome::Refused(reason),
                ProposeOutcome::Lost => Outcome::Lost(true),
            };
            Ok(peer_answer::Body::Propose(wire::ProposalAnswer {
                outcome: Some(outcome),
            }))
        }
        .boxed()
    }

    fn read_index_for(&self) -> BoxFuture<'static, PeerAnswer> {
        let raft = self.raft.clone();
        async move {
            use read_index_answer::Outcome;
            let outcome = match running::prove_leadership(&raft).await {
                LeadershipProof::Confirmed { index } => Outcome::Index(index),
                LeadershipProof::Refused(reason) => Outcome::Refused(reason),
                LeadershipProof::Lost => Outcome::Refused("the group has stopped".to_owned()),
            };
            Ok(peer_answer::Body::ReadIndex(wire::ReadIndexAnswer {
                outcome: Some(outcome),
            }))
        }
        .boxed()
    }
}

async fn answer_raft(raft: RaftGroup, body: peer_request::Body) -> PeerAnswer {
    let stopped = |fatal: &dyn std::error::Error| format!("the group has stopped: {fatal}");
    match body {
        peer_request::Body::Append(append) => {
            let response = raft.append_entries(append_of(append)?).await;
            response
                .map(|response| answer_to_append(&response))
                .map_err(|fatal| stopped(&fatal))
        }
        peer_request::Body::Vote(question) => {
            let response = raft.vote(vote_question_of(question)?).await;
            response
                .map(|response| answer_to_vote(&response))
                .map_err(|fatal| stopped(&fatal))
        }
        peer_request::Body::PreVote(question) => {
            let response = raft.pre_vote(vote_question_of(question)?).await;
            response
                .map(|response| answer_to_vote(&response))
                .map_err(|fatal| stopped(&fatal))
        }
        peer_request::Body::Transfer(transfer) => {
            let response = raft.handle_transfer_leader(transfer_of(transfer)?).await;
            response
                .map(answer_to_transfer)
                .map_err(|fatal| stopped(&fatal))
        }
        peer_request::Body::Propose(_) | peer_request::Body::ReadIndex(_) => {
            Err("it was to be answered elsewhere".to_owned())
        }
    }
}
