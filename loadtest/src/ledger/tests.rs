//! Every answer counts once, for what it was an answer to.

use std::time::Duration;

use journey_client::wire::EventResult;
use journey_client::wire::event_result::Status;

use super::{Answered, Ledger};
use crate::traffic::{Flavour, Planned};

fn planned(number: u64, flavour: Flavour) -> Planned {
    Planned {
        connection: 0,
        number,
        customer: 0,
        kind: 0,
        flavour,
        is_uncertain: false,
        sent_us: 0,
    }
}

fn result(status: Status, reason: &str, retry: bool) -> EventResult {
    EventResult {
        status: status.into(),
        reason: reason.to_owned(),
        retry,
        ..Default::default()
    }
}

fn answer(ledger: &Ledger, events: &[Planned], results: &[EventResult]) -> Vec<Planned> {
    ledger.answered(&Answered {
        events,
        results,
        latency: Duration::from_millis(3),
        took: Duration::from_millis(2),
        phase: Some(0),
        answered_in: Some(0),
    })
}

#[test]
fn accepted_duplicate_and_bad_events_are_told_apart() {
    let ledger = Ledger::new(1, 1, 1);
    let events = [
        planned(1, Flavour::Good),
        planned(1, Flavour::Duplicate),
        planned(2, Flavour::Bad),
    ];
    ledger.sent(&events);
    let results = [
        result(Status::Accepted, "", false),
        result(Status::Duplicate, "", false),
        result(Status::Rejected, "name_invalid", false),
    ];
    assert!(answer(&ledger, &events, &results).is_empty());
    let totals = ledger.totals();
    assert_eq!(
        (totals.n_sent, totals.accepted[0], totals.sample[0][0]),
        (3, 1, 1)
    );
    assert_eq!(
        (totals.n_duplicates_answered, totals.n_bad_answered),
        (1, 1)
    );
    assert_eq!((totals.n_failures, totals.phases[0].n_in_time), (0, 1));
}

#[test]
fn an_unknown_outcome_is_settled_by_the_duplicate_that_follows() {
    let ledger = Ledger::new(1, 1, 0);
    let events = [planned(1, Flavour::Good)];
    let unknown = [result(Status::Rejected, "OUTCOME_UNKNOWN", true)];
    let again = answer(&ledger, &events, &unknown);
    assert!(again[0].is_uncertain);
    // Refused for another reason meanwhile: it stays uncertain.
    let busy = [result(Status::Rejected, "PARTITION_BUSY", true)];
    let again = answer(&ledger, &again, &busy);
    let duplicate = [result(Status::Duplicate, "", false)];
    assert!(answer(&ledger, &again, &duplicate).is_empty());
    let totals = ledger.totals();
    assert_eq!((totals.accepted[0], totals.n_failures), (1, 0));
    assert_eq!(totals.refused["PARTITION_BUSY"], 1);
}

#[test]
fn answers_that_nobody_expected_are_failures() {
    let ledger = Ledger::new(1, 1, 0);
    for (flavour, status) in [
        (Flavour::Good, Status::Duplicate),
        (Flavour::Good, Status::Rejected),
        (Flavour::Duplicate, Status::Accepted),
        (Flavour::Bad, Status::Accepted),
    ] {
        answer(
            &ledger,
            &[planned(1, flavour)],
            &[result(status, "why", false)],
        );
    }
    // A result is missing.
    answer(&ledger, &[planned(2, Flavour::Good)], &[]);
    let totals = ledger.totals();
    assert_eq!((totals.n_failures, totals.accepted[0]), (5, 0));
    assert_eq!(
        totals.failures[0],
        "a Good event was answered Duplicate why "
    );
}

#[test]
fn refusals_beside_accepted_events_do_not_count_as_fast_or_slow_refusals() {
    let ledger = Ledger::new(1, 1, 0);
    let busy = || result(Status::Rejected, "PARTITION_BUSY", true);
    let events = [planned(1, Flavour::Good), planned(2, Flavour::Good)];
    let again = answer(
        &ledger,
        &events,
        &[result(Status::Accepted, "", false), busy()],
    );
    assert_eq!(again, [events[1]]);
    answer(&ledger, &again, &[busy()]);
    let totals = ledger.totals();
    let phase = &totals.phases[0];
    assert_eq!((phase.n_refused, phase.n_refused_in_part), (2, 1));
    assert_eq!((phase.refusal_us.len(), phase.latency_us.len()), (1, 1));
    // What the harness was late by is no part of the node's answer.
    assert!(phase.refusal_answer_us.max() < phase.refusal_us.max());
}
