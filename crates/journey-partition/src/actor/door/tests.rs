//! Who gets in, and who is told what.

use journey_customer::{Command, IngestMode, Outcome};
use journey_types::{
    BirthIndex, CustomerEvent, CustomerId, CustomerKey, EventId, EventName, Sequence, SourceName,
    Timestamp, WorkspaceId,
};

use super::{Door, Intake, SubmitError};
use crate::actor::limits::COMMANDS_WAITING_MAX;

fn event(workspace: &str) -> Vec<(CustomerKey, Command)> {
    let customer = CustomerKey {
        workspace: WorkspaceId::new(workspace).unwrap(),
        customer: CustomerId::new("ann").unwrap(),
    };
    let event = CustomerEvent {
        customer: customer.clone(),
        source: SourceName::new("test").unwrap(),
        id: EventId::new("1").unwrap(),
        name: EventName::new("seen").unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: std::collections::BTreeMap::default(),
    };
    let mode = IngestMode::Live;
    vec![(customer, Command::ingest(event, mode))]
}

fn settlement(workspace: &str) -> Vec<(CustomerKey, Command)> {
    let (customer, _) = event(workspace).remove(0);
    let command = Command::Settle {
        birth: BirthIndex::default(),
        effect: Sequence::default(),
        attempt: 1,
        outcome: Outcome::Sent,
    };
    vec![(customer, command)]
}

#[test]
fn one_workspace_leaves_room_for_another() {
    let door = Door::new(8);
    let held: Vec<_> = (0..6)
        .map(|_| door.admit(&event("noisy")).unwrap())
        .collect();
    let refused = door.admit(&event("noisy")).unwrap_err();
    assert_eq!(refused, SubmitError::WorkspaceBusy { n_waiting: 6 });
    let quiet = door.admit(&event("quiet")).unwrap();
    let second = door.admit(&event("quiet")).unwrap();
    assert_eq!(door.status().n_waiting, 8);
    let full = door.admit(&event("third")).unwrap_err();
    assert_eq!(full, SubmitError::Overloaded { n_waiting: 8 });
    drop(held);
    drop((quiet, second));
    let status = door.status();
    assert_eq!((status.n_waiting, status.n_workspace_busy), (0, 1));
    assert_eq!(status.n_partition_busy, 1);
    assert!(
        door.waiting.lock().by_workspace.is_empty(),
        "nothing is kept of workspaces that have nothing waiting"
    );
    door.admit(&event("noisy")).unwrap();
}

#[test]
fn settlements_are_taken_in_while_events_are_refused() {
    let door = Door::new(1);
    let held = door.admit(&event("w")).unwrap();
    let full = door.admit(&event("w")).unwrap_err();
    assert_eq!(full, SubmitError::Overloaded { n_waiting: 1 });
    door.admit(&settlement("w")).unwrap();
    drop(held);
    door.set_intake(Intake::NoEvents);
    assert_eq!(door.admit(&event("w")).unwrap_err(), SubmitError::DiskLow);
    door.admit(&settlement("w")).unwrap();
    door.set_intake(Intake::Nothing);
    assert_eq!(
        door.admit(&settlement("w")).unwrap_err(),
        SubmitError::DiskLow
    );
    door.set_intake(Intake::Open);
    door.admit(&event("w")).unwrap();
}

#[test]
fn few_requests_with_many_events_fill_the_door_too() {
    let door = Door::new(4_096);
    let large: Vec<_> = std::iter::repeat_with(|| event("noisy").remove(0))
        .take(COMMANDS_WAITING_MAX / 16)
        .collect();
    let held: Vec<_> = (0..12).map(|_| door.admit(&large).unwrap()).collect();
    let busy = door.admit(&event("noisy")).unwrap_err();
    assert_eq!(busy, SubmitError::WorkspaceBusy { n_waiting: 12 });
    let mut quiet = large;
    for (customer, _) in &mut quiet {
        customer.workspace = WorkspaceId::new("quiet").unwrap();
    }
    let others: Vec<_> = (0..4).map(|_| door.admit(&quiet).unwrap()).collect();
    let full = door.admit(&event("third")).unwrap_err();
    assert_eq!(full, SubmitError::Overloaded { n_waiting: 16 });
    drop((held, others));
    assert_eq!(door.waiting.lock().n_commands, 0);
    door.admit(&event("noisy")).unwrap();
}
