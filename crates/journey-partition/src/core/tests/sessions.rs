//! Sessions and the chain.

use journey_codec::JournalEntry;
use journey_customer::Reply;
use journey_types::CatalogRevision;

use super::bed::{Bed, catalog};
use crate::core::limits::PROPOSALS_IN_FLIGHT_MAX;
use crate::core::{Answer, Input, Refusal, Role};
use crate::journal::ProposeResult;

#[test]
fn nothing_is_decided_before_the_session_is_applied_here() {
    let mut bed = Bed::following();
    bed.input(Input::LeadershipGained);
    let ticket = bed.send("ann", "seen", "1");
    assert_eq!(bed.proposed.len(), 1, "only the opening of the session");
    assert!(matches!(
        bed.proposed[0].1.entry(),
        JournalEntry::SessionOpened(_)
    ));
    bed.commit();
    assert!(bed.answer(ticket).is_none(), "decided, not committed");
    bed.commit();
    let Some(Answer::Done {
        reply: Reply::Accepted,
        lsn,
    }) = bed.answer(ticket)
    else {
        panic!("{:?}", bed.answers);
    };
    assert_eq!(*lsn, bed.committed.lock().control.applied);
}

#[test]
fn a_follower_refuses_and_a_leader_that_falls_refuses_what_it_has_not_decided() {
    let mut bed = Bed::following();
    let early = bed.send("ann", "seen", "1");
    assert_eq!(
        bed.answer(early),
        Some(&Answer::Refused(Refusal::NotLeader))
    );
    bed.input(Input::LeadershipGained);
    let waiting = bed.send("ann", "seen", "1");
    bed.input(Input::LeadershipLost);
    assert_eq!(
        bed.answer(waiting),
        Some(&Answer::Refused(Refusal::NotLeader))
    );
}

#[test]
fn a_newer_catalog_is_adopted_before_anything_is_decided() {
    let mut bed = Bed::following();
    bed.input(Input::CatalogOffered(catalog(4)));
    bed.input(Input::LeadershipGained);
    let ticket = bed.send("ann", "wait_a_minute", "1");
    bed.commit();
    assert_eq!(bed.proposed.len(), 1, "only the adoption");
    assert_eq!(
        bed.core.status(bed.now).catalog_revision,
        CatalogRevision::new(0)
    );
    bed.commit_all();
    assert_eq!(
        bed.core.status(bed.now).catalog_revision,
        CatalogRevision::new(4)
    );
    assert!(matches!(bed.answer(ticket), Some(Answer::Done { .. })));
    assert_eq!(
        bed.state("ann").instances.len(),
        1,
        "decided with the adopted catalog"
    );
}

#[test]
fn no_session_opens_behind_the_adopted_catalog() {
    let mut bed = Bed::following();
    bed.committed.lock().control.catalog_revision = CatalogRevision::new(3);
    bed.input(Input::CatalogOffered(catalog(2)));
    bed.input(Input::LeadershipGained);
    assert!(bed.proposed.is_empty());
    let ticket = bed.send("ann", "seen", "1");
    let Some(Answer::Refused(Refusal::NoSession { reason })) = bed.answer(ticket) else {
        panic!("{:?}", bed.answers);
    };
    assert!(reason.contains("behind catalog revision 3"), "{reason}");
    bed.input(Input::CatalogOffered(catalog(4)));
    bed.commit_all();
    assert!(matches!(
        bed.core.status(bed.now).role,
        Role::Leading { .. }
    ));
}

#[test]
fn no_session_opens_with_other_documents_under_the_adopted_revision() {
    let mut bed = Bed::following();
    bed.committed.lock().control.catalog_revision = CatalogRevision::new(2);
    bed.committed.lock().control.catalog_digest = [9; 32];
    bed.input(Input::CatalogOffered(catalog(2)));
    bed.input(Input::LeadershipGained);
    assert!(bed.proposed.is_empty());
    assert!(matches!(
        bed.core.status(bed.now).role,
        Role::Waiting { .. }
    ));
}

#[test]
fn a_batch_accepted_after_one_refused_in_the_same_term_changes_nothing() {
    let mut bed = Bed::leading();
    let refused = bed.send("ann", "seen", "1");
    let behind = bed.send("bob", "seen", "2");
    assert_eq!(bed.proposed.len(), 2);
    let (first, _) = bed.proposed.pop_front().unwrap();
    let (second, entry) = bed.proposed.pop_front().unwrap();
    // The journal takes the second one only; both reports come in the order of the proposals.
    let result = bed.apply(entry.entry());
    assert_eq!(result, ProposeResult::Superseded);
    bed.report(first, ProposeResult::Refused("stalled".to_owned()));
    bed.report(second, result);
    for ticket in [refused, behind] {
        assert_eq!(
            bed.answer(ticket),
            Some(&Answer::Refused(Refusal::OutcomeUnknown))
        );
    }
    bed.commit_all();
    assert_eq!(bed.n_accepted(), 0);
    let again = [bed.send("ann", "seen", "1"), bed.send("bob", "seen", "2")];
    bed.commit_all();
    for ticket in again {
        assert!(matches!(
            bed.answer(ticket),
            Some(Answer::Done {
                reply: Reply::Accepted,
                ..
            })
        ));
    }
    assert_eq!(bed.n_accepted(), 2);
}

#[test]
fn an_event_whose_proposal_was_lost_is_a_duplicate_when_it_was_applied_after_all() {
    let mut bed = Bed::leading();
    let lost = bed.send("ann", "seen", "1");
    let (proposal, entry) = bed.proposed.pop_front().unwrap();
    bed.apply(entry.entry());
    bed.report(proposal, ProposeResult::Lost);
    assert_eq!(
        bed.answer(lost),
        Some(&Answer::Refused(Refusal::OutcomeUnknown))
    );
    let again = bed.send("ann", "seen", "1");
    bed.commit_all();
    assert!(matches!(
        bed.answer(again),
        Some(Answer::Done {
            reply: Reply::Duplicate,
            ..
        })
    ));
    assert_eq!(bed.n_accepted(), 1);
}

#[test]
fn a_leader_whose_session_was_superseded_answers_nothing_of_it() {
    let mut bed = Bed::leading();
    let ticket = bed.send("ann", "seen", "1");
    let other = JournalEntry::SessionOpened(journey_codec::SessionOpened { opener: 99 });
    bed.apply(&other);
    bed.commit();
    assert_eq!(
        bed.answer(ticket),
        Some(&Answer::Refused(Refusal::OutcomeUnknown))
    );
    assert_eq!(bed.committed.lock().n_void, 1);
    assert_eq!(bed.core.counters().n_superseded, 1);
}

#[test]
fn a_session_opening_that_was_overtaken_is_tried_again() {
    let mut bed = Bed::following();
    bed.input(Input::LeadershipGained);
    let (proposal, entry) = bed.proposed.pop_front().unwrap();
    let result = bed.apply(entry.entry());
    let other = JournalEntry::SessionOpened(journey_codec::SessionOpened { opener: 99 });
    bed.apply(&other);
    bed.report(proposal, result);
    assert!(matches!(
        bed.core.status(bed.now).role,
        Role::Waiting { .. }
    ));
    bed.pass(journey_types::TimeSpan::from_secs(1));
    assert!(matches!(
        bed.core.status(bed.now).role,
        Role::Leading { .. }
    ));
}

#[test]
fn sessions_that_fail_are_opened_again_after_growing_pauses() {
    let mut bed = Bed::following();
    bed.input(Input::LeadershipGained);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let (proposal, _) = bed.proposed.pop_front().unwrap();
        bed.report(proposal, ProposeResult::Refused("no quorum".to_owned()));
        assert!(bed.proposed.is_empty(), "not at once");
        let at = bed.wake_at.take().unwrap();
        pauses.push(at.since(bed.now).ms());
        bed.now = at;
        bed.input(Input::Wake);
    }
    assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1_000, 1_000]);
}

#[test]
fn at_most_so_many_batches_are_in_flight_and_the_rest_gathers() {
    let mut bed = Bed::leading();
    for n in 0..50 {
        bed.send(&format!("customer{n}"), "seen", "1");
    }
    assert_eq!(bed.proposed.len(), PROPOSALS_IN_FLIGHT_MAX);
    bed.commit();
    assert_eq!(bed.proposed.len(), PROPOSALS_IN_FLIGHT_MAX);
    bed.commit();
    bed.commit();
    assert!(bed.proposed.is_empty(), "48 customers went into one batch");
    assert_eq!(bed.n_accepted(), 50);
}

#[test]
fn a_decision_beyond_the_target_travels_alone() {
    let mut bed = Bed::leading();
    for n in 0..6 {
        bed.send(&format!("small{n}"), "seen", "1");
    }
    let large = bed.send("large", "grow_300", "1");
    bed.send("last", "seen", "1");
    let mut n_turns = Vec::new();
    while let Some((_, entry)) = bed.proposed.front() {
        if let JournalEntry::Batch(batch) = entry.entry() {
            n_turns.push(batch.records.len());
        }
        bed.commit();
    }
    assert!(matches!(bed.answer(large), Some(Answer::Done { .. })));
    // Two by themselves as they came, the four that gathered meanwhile, the large one, the last.
    assert_eq!(n_turns, [1, 1, 4, 1, 1]);
}

#[test]
fn a_decision_that_no_entry_can_hold_is_quarantined_in_its_place() {
    let mut bed = Bed::leading();
    let ticket = bed.send("ann", "grow_2049", "1");
    bed.commit_all();
    let Some(Answer::Refused(Refusal::Quarantined { reason, kept })) = bed.answer(ticket) else {
        panic!("{:?}", bed.answers);
    };
    let kept = kept.as_ref().expect("it is in the journal");
    assert!(bed.state("ann").quarantined.contains_key(&kept.entry));
    assert!(
        reason.contains("more than the 2097152 of an entry"),
        "{reason}"
    );
    let again = bed.send("ann", "seen", "2");
    bed.commit_all();
    assert!(matches!(bed.answer(again), Some(Answer::Done { .. })));
}
