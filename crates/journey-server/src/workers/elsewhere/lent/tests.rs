//! One worker's credit over several nodes: lent, called back, and home again when a stream breaks.

use journey_types::{PartitionId, TimeSpan};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;

type Requests = mpsc::Receiver<wire::WorkRequest>;

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn leader(node: u64) -> Leader {
    Leader {
        node: NodeId::new(node),
        address: format!("127.0.0.1:770{node}"),
    }
}

/// A table in which these other nodes lead a partition each.
fn table(nodes: &[u64]) -> RouteTable {
    let leaders = nodes.iter().map(|node| leader(*node));
    let partitions = (0..).map(PartitionId::new);
    RouteTable {
        own: Some(NodeId::new(1)),
        addresses: leaders
            .map(|leader| (leader.node, leader.address))
            .collect(),
        leaders: partitions
            .zip(nodes.iter().map(|node| NodeId::new(*node)))
            .collect(),
    }
}

/// Opens a stream to a node with credit; what is sent down it comes out of the channel.
fn open(lent: &mut Lent, node: u64, generation: u64, credit: u32) -> Requests {
    let (requests, queue) = mpsc::channel(16);
    let Leader { node, address } = leader(node);
    let ends = CancellationToken::new().drop_guard();
    let stream = HopStream::new((generation, address), (credit, requests), ends);
    lent.opened(node, stream);
    queue
}

fn received(node: u64, generation: u64, incoming: Incoming) -> Received {
    Received {
        node: NodeId::new(node),
        generation,
        incoming,
    }
}

fn effect(id: &str, until_ms: i64) -> Incoming {
    let until = Some(journey_wire::timestamp_to_wire(at(until_ms)));
    let effect = wire::Effect {
        effect_id: id.to_owned(),
        attempt: 1,
        until,
        ..Default::default()
    };
    Incoming::Effect(Box::new(effect), Unsent::of_nothing())
}

fn outcome(id: &str) -> wire::Outcome {
    wire::Outcome {
        effect_id: id.to_owned(),
        attempt: 1,
        ..Default::default()
    }
}

fn result(id: &str, retry: bool, reason: &str) -> wire::OutcomeResult {
    wire::OutcomeResult {
        effect_id: id.to_owned(),
        attempt: 1,
        retry,
        reason: reason.to_owned(),
        ..Default::default()
    }
}

fn ledger(n_credit: u32) -> Ledger {
    Ledger::new(n_credit, at(0))
}

/// What lies with the partitions here.
fn here(ledger: &Ledger) -> u32 {
    ledger.credit().left()
}

#[test]
fn nodes_that_lead_get_their_share_and_no_credit_is_made() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(10));
    let to_open = lent.even_out(vec![leader(2), leader(3)], &mut ledger);
    let shares: Vec<u32> = to_open.iter().map(|(_, credit)| *credit).collect();
    assert_eq!(shares, [3, 3]);
    assert_eq!(here(&ledger), 4, "the rest stays");
}

#[test]
fn the_least_of_credit_still_goes_to_one_node_that_leads() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(1));
    let to_open = lent.even_out(vec![leader(2), leader(3)], &mut ledger);
    assert_eq!(to_open.len(), 1);
    assert_eq!((to_open[0].1, here(&ledger)), (1, 0));
}

#[test]
fn idle_credit_is_called_back_when_there_is_none_here_and_lent_where_it_is_used_up() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(4));
    ledger.withdraw();
    let mut to_two = open(&mut lent, 2, 1, 4);
    assert!(
        lent.even_out(vec![leader(3)], &mut ledger).is_empty(),
        "nothing to lend"
    );
    let asked = to_two.try_recv().unwrap().request;
    assert!(matches!(asked, Some(WorkMessage::Recall(_))), "{asked:?}");
    lent.even_out(Vec::new(), &mut ledger);
    assert!(to_two.try_recv().is_err(), "asked once at a time");
    lent.take(received(2, 1, Incoming::Recalled(4)), &mut ledger);
    assert_eq!((lent.n_credit(), here(&ledger)), (0, 4));
    // Now node 3 has its share, and node 2, which has none left, too.
    let to_open = lent.even_out(vec![leader(3)], &mut ledger);
    assert_eq!(to_open[0].1, 1);
    let lent_again = to_two.try_recv().unwrap().request;
    assert!(matches!(
        lent_again,
        Some(WorkMessage::Credit(wire::Credit { more: 1 }))
    ));
    assert_eq!(here(&ledger), 2);
}

#[test]
fn a_stream_that_hands_out_is_not_called_back() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(4));
    ledger.withdraw();
    let mut to_two = open(&mut lent, 2, 1, 4);
    lent.take(received(2, 1, effect("e1", 30_000)), &mut ledger);
    lent.even_out(Vec::new(), &mut ledger);
    assert!(
        to_two.try_recv().is_err(),
        "it was active since the last look"
    );
    lent.even_out(Vec::new(), &mut ledger);
    assert!(to_two.try_recv().is_ok());
}

#[test]
fn an_outcome_goes_back_the_way_its_effect_came() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(4));
    let mut to_two = open(&mut lent, 2, 1, 2);
    lent.take(received(2, 1, effect("e1", 30_000)), &mut ledger);
    let others = lent.send_back(vec![outcome("e1"), outcome("foreign")]);
    assert_eq!(others, [outcome("foreign")]);
    let Some(WorkMessage::Outcomes(sent)) = to_two.try_recv().unwrap().request else {
        panic!("no outcomes");
    };
    assert_eq!(sent.outcomes, [outcome("e1")]);
    let results = Incoming::Results(vec![result("e1", false, "")]);
    let Came::Results(answered, other_ways) = lent.take(received(2, 1, results), &mut ledger)
    else {
        panic!("no results");
    };
    assert_eq!((answered.len(), other_ways.len()), (1, 0));
}

#[test]
fn an_outcome_whose_leader_has_moved_goes_another_way_instead_of_failing() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(4));
    let _to_two = open(&mut lent, 2, 1, 2);
    lent.take(received(2, 1, effect("e1", 30_000)), &mut ledger);
    lent.send_back(vec![outcome("e1")]);
    let moved = Incoming::Results(vec![result("e1", true, "NOT_LEADER: node 3 leads")]);
    let Came::Results(answered, other_ways) = lent.take(received(2, 1, moved), &mut ledger) else {
        panic!("no results");
    };
    assert!(answered.is_empty(), "the worker hears of it when it stands");
    assert_eq!(other_ways, [outcome("e1")]);
}

#[test]
fn a_stream_that_breaks_gives_back_what_is_unused_and_keeps_what_was_handed_out() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(5));
    let _to_two = open(&mut lent, 2, 1, 5);
    ledger.withdraw();
    for id in ["e1", "e2", "e3"] {
        lent.take(received(2, 1, effect(id, 30_000)), &mut ledger);
    }
    lent.send_back(vec![outcome("e2")]);
    let Came::Results(_, other_ways) = lent.take(received(2, 1, Incoming::Ended), &mut ledger)
    else {
        panic!("no results");
    };
    assert_eq!(other_ways, [outcome("e2")], "its result did not come back");
    assert_eq!(here(&ledger), 2, "two were unused");
    assert_eq!(lent.n_credit(), 3, "three are with the worker");
    // Settled by the table: its credit is free again, once.
    lent.answered(&[result("e2", false, "")], &mut ledger);
    lent.answered(&[result("e2", false, "")], &mut ledger);
    lent.answered(
        &[result("e1", true, "NOT_LEADER: nobody leads")],
        &mut ledger,
    );
    assert_eq!((here(&ledger), lent.n_credit()), (3, 2));
    // What is never answered is free when its claim has run out.
    let table = table(&[2]);
    lent.forget_gone(&table, at(29_999), &mut ledger);
    assert_eq!(here(&ledger), 3);
    lent.forget_gone(&table, at(30_000), &mut ledger);
    assert_eq!((here(&ledger), lent.n_credit()), (5, 0));
}

#[test]
fn what_an_older_stream_to_the_same_node_still_says_counts_for_nothing() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(2));
    ledger.withdraw();
    let _first = open(&mut lent, 2, 1, 2);
    lent.take(received(2, 1, Incoming::Ended), &mut ledger);
    ledger.withdraw();
    let _second = open(&mut lent, 2, 2, 2);
    let late = lent.take(received(2, 1, effect("e1", 30_000)), &mut ledger);
    assert!(matches!(late, Came::Nothing), "its claim runs out");
    lent.take(received(2, 1, Incoming::Ended), &mut ledger);
    assert_eq!((here(&ledger), lent.n_credit()), (0, 2));
}

#[test]
fn a_node_that_left_takes_no_credit_with_it() {
    let (mut lent, mut ledger) = (Lent::default(), ledger(4));
    ledger.withdraw();
    let _to_two = open(&mut lent, 2, 1, 4);
    lent.forget_gone(
        &table(&[3]),
        at(0).plus(TimeSpan::from_secs(1)),
        &mut ledger,
    );
    assert_eq!((here(&ledger), lent.n_credit()), (4, 0));
    assert!(lent.is_empty());
}
