//! Sessions: a leader decides only inside one, and one failure ends it (DESIGN section 3).
//!
//! ```text
//!   Follower ──gained──► Waiting ──catalog at hand──► Opening ──own replica applied it──► Leading
//!      ▲                    ▲                            │                                  │
//!      └──lost──            └────────────── refused, superseded, lost ──────────────────────┘
//! ```

use std::sync::Arc;

use journey_codec::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, encode_entry};
use journey_model::Catalog;
use journey_types::{BatchNumber, CatalogRevision, Lsn, SessionId, TimeSpan, Timestamp};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::core::PartitionCore;
use crate::core::api::{Output, ProposalId, Refusal};
use crate::core::batch::InFlight;
use crate::core::counters::{FactFigures, Role};
use crate::core::hosted::{Lifecycle, Origin};
use crate::core::limits::{SESSION_PAUSE_FIRST, SESSION_PAUSE_MAX};
use crate::decided::DecidedEntry;
use crate::journal::ProposeResult;

/// Whether and how this core leads.
#[derive(Debug)]
pub(crate) enum Leadership {
    Follower,
    /// Leads without a session; tries again at `retry_at`, or with `None` only when a newer catalog is offered.
    Waiting {
        reason: String,
        retry_at: Option<Timestamp>,
        pause: TimeSpan,
    },
    /// `SessionOpened` is proposed.
    Opening {
        proposal: ProposalId,
        pause: TimeSpan,
    },
    Leading(Session),
    Stopped {
        reason: String,
    },
}

/// An open session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// The number the next batch gets.
    pub(crate) next: BatchNumber,
    /// A batch that adopts a catalog is in flight: nothing is decided until it is applied.
    pub(crate) is_adopting: bool,
}

impl Leadership {
    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Follower => Role::Follower,
            Self::Waiting { reason, .. } => Role::Waiting {
                reason: reason.clone(),
            },
            Self::Opening { .. } => Role::Opening,
            Self::Leading(session) => Role::Leading {
                session: session.id,
            },
            Self::Stopped { reason } => Role::Stopped {
                reason: reason.clone(),
            },
        }
    }
}

impl PartitionCore {
    pub(crate) fn gain_leadership(&mut self, now: Timestamp) {
        if matches!(self.leadership, Leadership::Follower) {
            self.await_session("its session is not open yet".to_owned(), now);
        }
    }

    pub(crate) fn lose_leadership(&mut self) {
        if matches!(self.leadership, Leadership::Stopped { .. }) {
            return;
        }
        self.drop_speculation();
        self.leadership = Leadership::Follower;
        self.refuse_mail(&Refusal::NotLeader);
    }

    /// Stops for good: the machine failed in a way that deciding on could only make worse.
    pub(crate) fn stop(&mut self, reason: &str) {
        self.drop_speculation();
        self.leadership = Leadership::Stopped {
            reason: reason.to_owned(),
        };
        self.refuse_mail(&Refusal::Stopped {
            reason: reason.to_owned(),
        });
        let reason = reason.to_owned();
        self.outputs.push(Output::Stopped { reason });
    }

    pub(crate) fn offer_catalog(&mut self, catalog: Arc<Catalog>) {
        let is_newer = self
            .offered
            .as_ref()
            .is_none_or(|offered| offered.revision < catalog.revision);
        if !is_newer {
            return;
        }
        self.offered = Some(catalog);
        self.retry_session_now();
    }

    /// Does not wait for an instant any more, because what was waited for came, or the clock went back.
    pub(crate) const fn retry_session_now(&mut self) {
        if let Leadership::Waiting { retry_at, .. } = &mut self.leadership {
            *retry_at = Some(Timestamp::EPOCH);
        }
    }

    /// When the session is tried again, if that is a question of time.
    pub(crate) const fn session_retry_at(&self) -> Option<Timestamp> {
        match &self.leadership {
            Leadership::Waiting { retry_at, .. } => *retry_at,
            Leadership::Follower
            | Leadership::Opening { .. }
            | Leadership::Leading(_)
            | Leadership::Stopped { .. } => None,
        }
    }

    /// Opens a session, adopts a newer catalog, or journals a stamp, where that is due.
    pub(crate) fn advance_session(&mut self, now: Timestamp) {
        match &self.leadership {
            Leadership::Waiting {
                retry_at, pause, ..
            } => {
                let pause = *pause;
                if retry_at.is_some_and(|at| at <= now) {
                    self.open_session(pause);
                }
            }
            Leadership::Leading(session) => {
                let is_newer = |offered: &&Arc<Catalog>| offered.revision > self.catalog.revision;
                let newer = self.offered.as_ref().filter(is_newer).cloned();
                if session.is_adopting {
                    return;
                }
                if let Some(newer) = newer {
                    self.propose_catalog(newer, now);
                } else if self.in_flight.is_empty() && self.clock.lags(now) {
                    // The same catalog once more: nothing changes but the journal's last stamp.
                    self.propose_catalog(Arc::clone(&self.catalog), now);
                }
            }
            Leadership::Follower | Leadership::Opening { .. } | Leadership::Stopped { .. } => {}
        }
    }

    fn open_session(&mut self, pause: TimeSpan) {
        match self.usable_catalog() {
            Ok(catalog) => self.catalog = catalog,
            Err(reason) => {
                // Only a newer copy of the documents helps, so there is nothing to try again by time.
                self.refuse_mail(&Refusal::NoSession {
                    reason: reason.clone(),
                });
                let retry_at = None;
                self.leadership = Leadership::Waiting {
                    reason,
                    retry_at,
                    pause,
                };
                return;
            }
        }
        self.n_openings += 1;
        let opener = xxh3_64_with_seed(&self.n_openings.to_be_bytes(), self.options.opener_seed);
        let entry = JournalEntry::SessionOpened(SessionOpened { opener });
        let encoded = encode_entry(&entry);
        let proposal = self.next_proposal(encoded.len());
        self.leadership = Leadership::Opening { proposal, pause };
        let entry = Arc::new(DecidedEntry::new(entry, Vec::new()));
        self.outputs.push(Output::Propose {
            proposal,
            entry,
            encoded,
        });
    }

    /// The catalog to begin with: exactly the adopted one, or a newer one that is adopted first.
    fn usable_catalog(&self) -> Result<Arc<Catalog>, String> {
        let control = self.reader.control();
        let (revision, digest) = (control.catalog_revision, control.catalog_digest);
        if revision == CatalogRevision::default() {
            return Ok(Arc::new(Catalog::default()));
        }
        let at_hand = [self.offered.as_ref(), Some(&self.catalog)];
        for catalog in at_hand.into_iter().flatten() {
            if catalog.revision == revision && catalog.digest != digest {
                return Err(format!(
                    "the documents of catalog revision {revision} on this node are not those that the partition adopted; rebuild the node's metadata"
                ));
            }
            if catalog.revision == revision {
                return Ok(Arc::clone(catalog));
            }
        }
        match &self.offered {
            // Nothing is decided before it is adopted, so the adopted one itself is not needed.
            Some(offered) if offered.revision > revision => Ok(Arc::new(Catalog {
                revision,
                digest,
                ..Catalog::default()
            })),
            Some(_) | None => Err(format!(
                "this node's copy of the published documents is behind catalog revision {revision}"
            )),
        }
    }

    /// `SessionOpened` is applied on this replica: everything earlier is applied too.
    fn begin_session(&mut self, lsn: Lsn, now: Timestamp) {
        let control = self.reader.control();
        let id = SessionId::new(lsn.get());
        if control.session != id {
            self.end_session("another session was opened", now);
            return;
        }
        // Read again: entries of the session before may have been applied since this one was proposed.
        match self.usable_catalog() {
            Ok(catalog) => self.catalog = catalog,
            Err(_) => {
                self.end_session("the adopted catalog changed", now);
                return;
            }
        }
        self.counters.n_sessions += 1;
        self.applied = self.applied.max(lsn);
        self.clock.begin(control.stamp, now);
        let (next, is_adopting) = (BatchNumber::new(1), false);
        self.leadership = Leadership::Leading(Session {
            id,
            next,
            is_adopting,
        });
        self.timers.clear();
        self.offers.restart(self.workers.wanted());
        for idx in self.customers.indices() {
            if !self.customers.get(idx).mailbox.is_empty() {
                self.customers.queue(idx);
            }
        }
    }

    fn propose_catalog(&mut self, catalog: Arc<Catalog>, now: Timestamp) {
        let Leadership::Leading(session) = &mut self.leadership else {
            return;
        };
        session.is_adopting = true;
        let (number, revision, digest) = (session.next, catalog.revision, catalog.digest);
        session.next = number.next();
        let stamp = self.clock.stamp(now);
        let adopted = CatalogAdopted {
            stamp,
            revision,
            digest,
        };
        let entry = JournalEntry::Batch(Batch {
            session: session.id,
            number,
            records: vec![Record::CatalogAdopted(adopted)],
        });
        let encoded = encode_entry(&entry);
        let proposal = self.next_proposal(encoded.len());
        self.in_flight.push(InFlight {
            proposal,
            number,
            turns: Vec::new(),
            figures: FactFigures::default(),
            proven: self.replies.take_unproven(),
            adopts: Some(catalog),
        });
        let entry = Arc::new(DecidedEntry::new(entry, Vec::new()));
        self.outputs.push(Output::Propose {
            proposal,
            entry,
            encoded,
        });
    }

    pub(crate) fn next_proposal(&mut self, size_bytes: usize) -> ProposalId {
        self.n_proposals += 1;
        self.counters.n_proposals += 1;
        self.counters.n_proposed_bytes += size_bytes as u64;
        ProposalId(self.n_proposals)
    }

    pub(crate) fn settle_proposal(
        &mut self,
        proposal: ProposalId,
        result: ProposeResult,
        now: Timestamp,
    ) {
        let is_opening = matches!(
            self.leadership,
            Leadership::Opening { proposal: opening, .. } if opening == proposal
        );
        let batch = self
            .in_flight
            .iter()
            .position(|batch| batch.proposal == proposal);
        if !is_opening && batch.is_none() {
            // Of a session that ended: its callers have their answer.
            return;
        }
        let reason = match result {
            ProposeResult::Applied { lsn } => {
                match batch {
                    Some(position) => self.batches_applied(position, lsn),
                    None => self.begin_session(lsn, now),
                }
                return;
            }
            ProposeResult::Superseded => {
                self.counters.n_superseded += 1;
                "another session was opened".to_owned()
            }
            ProposeResult::Refused(reason) => {
                self.counters.n_lost += 1;
                format!("the journal refused an entry: {reason}")
            }
            ProposeResult::Lost => {
                self.counters.n_lost += 1;
                "the journal lost an entry".to_owned()
            }
        };
        self.end_session(&reason, now);
    }

    /// One failure ends the session: everything speculative is dropped, and another one is opened after a pause.
    pub(crate) fn end_session(&mut self, reason: &str, now: Timestamp) {
        self.drop_speculation();
        self.await_session(reason.to_owned(), now);
    }

    fn await_session(&mut self, reason: String, now: Timestamp) {
        let (pause, retry_at) = match &self.leadership {
            // The first attempt, and the first after a session that worked, are made at once.
            Leadership::Follower | Leadership::Leading(_) => (TimeSpan::ZERO, Timestamp::EPOCH),
            Leadership::Waiting { pause, .. } | Leadership::Opening { pause, .. } => {
                let doubled = TimeSpan::from_ms(pause.ms() * 2);
                let pause = doubled.clamp(SESSION_PAUSE_FIRST, SESSION_PAUSE_MAX);
                (pause, now.plus(pause))
            }
            Leadership::Stopped { .. } => return,
        };
        let retry_at = Some(retry_at);
        self.leadership = Leadership::Waiting {
            reason,
            retry_at,
            pause,
        };
    }

    /// Drops what is not committed and tells everyone who waits for it that the outcome is unknown. Commands that were
    /// not decided stay in their mailboxes.
    pub(crate) fn drop_speculation(&mut self) {
        let mut held = self.replies.take_all();
        for batch in std::mem::take(&mut self.in_flight) {
            held.extend(batch.proven);
            for turn in batch.turns {
                self.answer_now(turn.mail.origin, Refusal::OutcomeUnknown);
            }
        }
        for held in held {
            self.replies
                .refuse(held, Refusal::OutcomeUnknown, &mut self.outputs);
        }
        self.timers.clear();
        self.offers.restart(self.workers.wanted());
        self.n_claims_waiting = 0;
        for idx in self.customers.indices() {
            let mailbox = std::mem::take(&mut self.customers.get_mut(idx).mailbox);
            for mail in mailbox {
                match mail.origin {
                    Origin::Worker { worker, .. } => self.give_credit_back(worker),
                    Origin::Caller { .. } | Origin::Core | Origin::Unsent => {
                        self.customers.get_mut(idx).mailbox.push_back(mail);
                    }
                }
            }
            let hosted = self.customers.get_mut(idx);
            hosted.claims.clear();
            hosted.forget_state();
        }
    }

    /// Refuses what lies in the mailboxes: it was not decided.
    fn refuse_mail(&mut self, refusal: &Refusal) {
        for idx in self.customers.indices() {
            let mailbox = std::mem::take(&mut self.customers.get_mut(idx).mailbox);
            for mail in mailbox {
                self.answer_now(mail.origin, refusal.clone());
            }
            let hosted = self.customers.get_mut(idx);
            if hosted.lifecycle == Lifecycle::Ready {
                hosted.lifecycle = Lifecycle::Idle;
            }
        }
    }
}
