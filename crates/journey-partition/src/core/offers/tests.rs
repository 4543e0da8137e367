//! The index of offers within its bound. How offers become hand-overs is told in `core/tests/effects.rs`.

use std::collections::BTreeMap;

use journey_types::{CustomerId, CustomerKey, WorkspaceId};

use super::{Destinations, Offers};

fn key(n: usize) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(format!("{n:04}")).unwrap(),
    }
}

#[test]
fn without_wishes_nothing_is_looked_through() {
    let mut offers = Offers::with_cap(4);
    offers.restart(BTreeMap::new());
    assert_eq!(offers.next_page(), None);
}

#[test]
fn a_worker_that_wants_what_others_want_costs_no_pass() {
    let mut offers = Offers::with_cap(4);
    let wanted =
        || BTreeMap::from([(WorkspaceId::default_workspace(), Destinations::everything())]);
    offers.want(wanted());
    offers.page_done(None);
    offers.want(wanted());
    assert_eq!(offers.next_page(), None);
    offers.want(BTreeMap::new());
    offers.want(wanted());
    assert_eq!(offers.next_page(), Some(None));
}

#[test]
fn a_pass_goes_from_page_to_page_and_ends() {
    let mut offers = Offers::with_cap(4);
    offers.restart(BTreeMap::from([(
        WorkspaceId::default_workspace(),
        Destinations::everything(),
    )]));
    assert_eq!(offers.next_page(), Some(None));
    offers.page_done(Some(key(3)));
    assert_eq!(offers.next_page(), Some(Some(&key(3))));
    offers.page_done(None);
    assert_eq!(offers.next_page(), None);
}

#[test]
fn a_pass_that_met_a_full_index_is_made_again() {
    let mut offers = Offers::with_cap(4);
    offers.restart(BTreeMap::from([(
        WorkspaceId::default_workspace(),
        Destinations::everything(),
    )]));
    offers.page_done(Some(key(3)));
    offers.note_skipped();
    offers.page_done(None);
    assert_eq!(offers.next_page(), Some(None), "from the first customer on");
    offers.page_done(None);
    offers.note_skipped();
    assert_eq!(
        offers.next_page(),
        Some(None),
        "one was left out after the pass"
    );
}
