//! Claims about applying facts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use journey_types::{
    BirthIndex, CustomerId, CustomerKey, InstanceNumber, Sequence, Timestamp, Value, WorkspaceId,
};

use super::apply;
use crate::event::{EventBody, JournalEvent, Rest};
use crate::limits::{TIMELINE_ENTRIES_MAX, TIMELINE_TEXT_SIZE_BYTES_MAX};
use crate::state::CustomerState;

fn born() -> CustomerState {
    let key = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new("anna").unwrap(),
    };
    let mut state = CustomerState::new(key);
    let birth = BirthIndex::new(3);
    apply(&mut state, &fact(1, EventBody::CustomerBorn { birth }));
    state
}

fn fact(sequence: u64, body: EventBody) -> JournalEvent {
    JournalEvent {
        sequence: Sequence::new(sequence),
        stamp: Timestamp::from_unix_ms(1_000),
        body,
    }
}

fn trait_changed(value: &str) -> EventBody {
    EventBody::TraitChanged {
        name: "city".to_owned(),
        value: Some(Value::text(value)),
    }
}

fn is_refused(fact: &JournalEvent) -> bool {
    let mut state = born();
    catch_unwind(AssertUnwindSafe(|| apply(&mut state, fact))).is_err()
}

#[test]
fn a_gap_or_a_repeat_is_a_lost_or_doubled_record() {
    assert!(!is_refused(&fact(2, trait_changed("Bonn"))));
    assert!(is_refused(&fact(1, trait_changed("Bonn"))));
    assert!(is_refused(&fact(3, trait_changed("Bonn"))));
}

#[test]
fn a_fact_stamped_before_the_last_is_refused() {
    let mut early = fact(2, trait_changed("Bonn"));
    early.stamp = Timestamp::from_unix_ms(999);
    assert!(is_refused(&early));
}

#[test]
fn a_fact_about_an_instance_that_does_not_run_is_refused() {
    let instance = InstanceNumber::new(1);
    let rest = Rest::default();
    assert!(is_refused(&fact(2, EventBody::Rested { instance, rest })));
}

#[test]
fn the_timeline_keeps_the_newest_entries_cut_to_a_line() {
    let mut state = born();
    for sequence in 2..100 {
        apply(&mut state, &fact(sequence, trait_changed(&"ü".repeat(500))));
    }
    assert_eq!(state.timeline.len(), TIMELINE_ENTRIES_MAX);
    assert_eq!(
        state.timeline.iter().last().unwrap().sequence,
        Sequence::new(99)
    );
    let longest = state.timeline.iter().map(|entry| entry.text.len()).max();
    assert!(longest.unwrap() <= TIMELINE_TEXT_SIZE_BYTES_MAX);
}

#[test]
fn what_a_customer_takes_in_memory_is_little_and_grows_by_what_is_added() {
    let before = born().memory_size_bytes();
    assert!(
        before < 600,
        "{before} bytes for a customer that was just born"
    );
    let mut state = born();
    let text = "x".repeat(10_000);
    apply(&mut state, &fact(2, trait_changed(&text)));
    let grown = state.memory_size_bytes() - before;
    assert!((10_000..11_000).contains(&grown), "{grown} bytes more");
    for sequence in 3..1_000 {
        apply(&mut state, &fact(sequence, trait_changed("Bonn")));
    }
    let settled = state.memory_size_bytes() - before;
    assert!(settled < 2_000, "{settled} bytes for a full timeline");
}
