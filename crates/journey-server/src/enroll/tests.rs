//! What became of a customer, as the answer says it.

use journey_customer::Rejection;
use journey_types::{Incarnation, InstanceNumber, Lsn};

use super::*;

fn told(answer: Answer) -> (EnrollStatus, String, u32) {
    let origin = EffectOrigin {
        cluster_id: 7,
        incarnation: Incarnation::new(0),
    };
    let result = result_of(origin, PartitionId::new(3), answer);
    assert_eq!(result.reason.is_empty(), result.message.is_empty());
    (result.status(), result.reason, result.retry_after_ms)
}

fn done(reply: Reply) -> Answer {
    let lsn = Lsn::new(9);
    Answer::Done { reply, lsn }
}

#[test]
fn each_answer_says_what_became_of_the_customer() {
    let instance = Some(InstanceNumber::new(4));
    let entered = told(done(Reply::Enrolled { instance }));
    assert_eq!(entered, (EnrollStatus::Entered, String::new(), 0));
    let queued = told(done(Reply::Enrolled { instance: None }));
    assert_eq!(queued.0, EnrollStatus::Queued);
    assert_eq!(told(done(Reply::Duplicate)).0, EnrollStatus::Duplicate);
}

#[test]
fn what_the_rules_refuse_is_explained() {
    for reason in [
        "where",
        "key_invalid",
        "reentry_never",
        "min_gap",
        "conflict",
        "exit_rule",
        "too_many_instances",
    ] {
        let told = told(done(Reply::NotEnrolled { reason }));
        assert_eq!(told, (EnrollStatus::Rejected, reason.to_owned(), 0));
    }
}

#[test]
fn bad_input_is_rejected_by_its_own_code_and_load_refused_with_advice() {
    let reason = "input_too_deep: the input nests deeper than 32 levels".to_owned();
    let bad = told(Answer::Rejected(Rejection::EnrollRefused { reason }));
    assert_eq!(
        bad,
        (EnrollStatus::Rejected, "input_too_deep".to_owned(), 0)
    );
    let hot = told(Answer::Rejected(Rejection::TooManyEventIds {
        n_ids: 70_000,
    }));
    assert_eq!(hot.0, EnrollStatus::Refused);
    assert!(hot.2 > 0, "{hot:?}");
    let unknown = told(Answer::Refused(Refusal::OutcomeUnknown));
    assert_eq!(unknown.1, "OUTCOME_UNKNOWN");
    assert!(unknown.2 > 0, "{unknown:?}");
}
