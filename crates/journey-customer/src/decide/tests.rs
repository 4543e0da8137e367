//! Claims about deciding that hold for every command.

use std::panic::{AssertUnwindSafe, catch_unwind};

use journey_model::Catalog;
use journey_types::{
    BirthIndex, ClusterKey, CustomerId, CustomerKey, Sequence, Timestamp, WorkspaceId,
};

use super::{DecideContext, decide};
use crate::command::{Command, Outcome, Rejection, Reply};
use crate::delivery::DeliverySettings;
use crate::state::{CustomerState, PausedTurn};

fn nobody() -> CustomerState {
    CustomerState::new(CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new("anna").unwrap(),
    })
}

fn decide_for(state: &CustomerState, command: &Command) -> Result<(usize, Reply), Rejection> {
    let context = DecideContext {
        stamp: Timestamp::from_unix_ms(5_000),
        catalog: &Catalog::default(),
        cluster_key: &ClusterKey::new([1; 16]),
        birth: BirthIndex::new(1),
        workspace_zone: "UTC",
        delivery: &DeliverySettings::default(),
        set_aside_has_room: true,
        rows_of_ids: crate::RowsOfIds::NotAsked,
    };
    let decision = decide(state, command, &context)?;
    assert!(!decision.events.is_empty() || decision.state == *state);
    Ok((decision.events.len(), decision.reply))
}

#[test]
fn what_changes_nothing_makes_no_facts_and_no_customer() {
    let state = nobody();
    let fired = Reply::Fired { n_fired: 0 };
    assert_eq!(decide_for(&state, &Command::FireTimers), Ok((0, fired)));
    let continued = decide_for(&state, &Command::ContinueTurn);
    assert_eq!(continued, Ok((0, Reply::Continued)));
    let settle = Command::Settle {
        birth: BirthIndex::new(9),
        effect: Sequence::new(1),
        attempt: 1,
        outcome: Outcome::Sent,
    };
    assert_eq!(decide_for(&state, &settle), Ok((0, Reply::Settled)));
    let claim = Command::Claim {
        effect: Sequence::new(1),
        until: Timestamp::MAX,
        worker: String::new(),
    };
    assert!(matches!(
        decide_for(&state, &claim),
        Err(Rejection::NotClaimable { .. })
    ));
}

#[test]
fn a_paused_turn_goes_on_before_anything_else() {
    let mut state = nobody();
    state.paused_turn = Some(PausedTurn {
        stamp: Timestamp::from_unix_ms(1_000),
        round: 1,
        events: Vec::new(),
        instances: Vec::new(),
    });
    let fire = AssertUnwindSafe(|| decide_for(&state, &Command::FireTimers));
    assert!(catch_unwind(fire).is_err());
    let resumed = decide_for(&state, &Command::ContinueTurn);
    assert_eq!(resumed, Ok((2, Reply::Continued)), "born and resumed");
}
