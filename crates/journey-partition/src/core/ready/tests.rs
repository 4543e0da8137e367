//! Whose turn is next.

use super::*;

fn id(text: &str) -> WorkspaceId {
    WorkspaceId::new(text).unwrap()
}

fn drained(queue: &mut FairQueue) -> Vec<usize> {
    std::iter::from_fn(|| queue.pop()).collect()
}

#[test]
fn workspaces_give_one_in_turn_each_in_its_own_order() {
    let mut workspaces = Workspaces::default();
    let (noisy, quiet) = (
        workspaces.enter(&id("noisy")),
        workspaces.enter(&id("quiet")),
    );
    let mut queue = FairQueue::default();
    for place in 0..4 {
        queue.push(noisy, place);
    }
    queue.push(quiet, 10);
    assert_eq!(queue.pop(), Some(0));
    queue.push(quiet, 11);
    assert_eq!(drained(&mut queue), [10, 1, 11, 2, 3]);
    assert!(queue.is_empty());
}

#[test]
fn one_that_is_taken_out_has_no_turn_and_leaves_none_behind() {
    let mut workspaces = Workspaces::default();
    let (a, b) = (workspaces.enter(&id("a")), workspaces.enter(&id("b")));
    let mut queue = FairQueue::default();
    queue.push(a, 1);
    queue.push(b, 2);
    queue.remove(a, 1);
    queue.push(a, 3);
    assert_eq!(drained(&mut queue), [3, 2]);
    queue.remove(b, 7);
    assert!(queue.is_empty());
}

#[test]
fn the_place_of_a_workspace_without_customers_is_used_again() {
    let mut workspaces = Workspaces::default();
    let first = workspaces.enter(&id("a"));
    assert_eq!(workspaces.enter(&id("a")), first);
    workspaces.leave(&id("a"), first);
    assert_ne!(workspaces.enter(&id("b")), first);
    workspaces.leave(&id("a"), first);
    assert_eq!(workspaces.enter(&id("c")), first);
}
