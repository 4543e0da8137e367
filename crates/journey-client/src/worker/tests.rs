//! What a worker never sees.

use super::*;

fn effect(send_by_seconds: Option<i64>) -> wire::Effect {
    wire::Effect {
        send_by: send_by_seconds.map(|seconds| pbjson_types::Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    }
}

#[test]
fn an_effect_is_too_late_after_its_send_by_alone() {
    assert!(!is_too_late(&effect(None)), "no send_by, never too late");
    assert!(is_too_late(&effect(Some(1))), "1970");
    assert!(!is_too_late(&effect(Some(32_503_680_000))), "the year 3000");
}

#[test]
fn an_effect_is_too_late_when_its_claim_has_run_out() {
    let mut effect = effect(None);
    effect.until = Some(pbjson_types::Timestamp {
        seconds: 1,
        nanos: 0,
    });
    assert!(is_too_late(&effect), "it is offered to others by now");
}

#[test]
fn results_of_effects_given_back_are_not_given_out() {
    let effect = wire::Effect {
        effect_id: "e1".to_owned(),
        attempt: 2,
        ..Default::default()
    };
    let returned = returned(&effect);
    assert_eq!(returned.result(), wire::outcome::Result::Returned);
    let result = |effect_id: &str, attempt| wire::OutcomeResult {
        effect_id: effect_id.to_owned(),
        attempt,
        ..Default::default()
    };
    let mut under_way = BTreeSet::from([(returned.effect_id, returned.attempt)]);
    let all = vec![result("e1", 1), result("e1", 2), result("e2", 2)];
    let left = without_returns(&mut under_way, all);
    assert_eq!(left, [result("e1", 1), result("e2", 2)]);
    assert!(under_way.is_empty());
}
