//! The order is the same however little memory there is.

use journey_model::{LineDefaults, read_event_line};
use journey_types::WorkspaceId;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::{EventSorter, PlacedEvent, RUNS_MAX};

fn events(n: usize) -> Vec<PlacedEvent> {
    let defaults = LineDefaults::of(WorkspaceId::default_workspace());
    let mut random = SmallRng::seed_from_u64(3);
    let placed = |line: usize, random: &mut SmallRng| {
        let second = random.random_range(0..50);
        let text = format!(
            r#"{{"customer_id":"c","id":"{line}","name":"seen","occurred_at":"2026-01-05T09:00:{second:02}.5Z","channel":"web","properties":{{"n":{line},"big":9007199254740993,"x":[1.5,null,{{"a":"b"}}]}}}}"#
        );
        PlacedEvent {
            file_idx: line % 3,
            line: line as u64,
            event: read_event_line(&text, &defaults).unwrap(),
        }
    };
    (1..=n).map(|line| placed(line, &mut random)).collect()
}

fn sorted(events: &[PlacedEvent], size_bytes_max: usize) -> (Vec<PlacedEvent>, usize) {
    let mut sorter = EventSorter::new(size_bytes_max);
    let mut n_runs_max = 0;
    for placed in events {
        sorter.push(placed.clone()).unwrap();
        n_runs_max = n_runs_max.max(sorter.runs.len());
    }
    let sorted = sorter.finish().unwrap();
    (sorted.map(Result::unwrap).collect(), n_runs_max)
}

#[test]
fn spilled_events_come_back_whole_and_in_order() {
    let events = events(2_000);
    let mut expected = events.clone();
    expected.sort_by_key(PlacedEvent::key);
    let (in_memory, n_runs) = sorted(&events, usize::MAX);
    assert_eq!(n_runs, 0);
    assert!(in_memory == expected);
    let (spilled, n_runs) = sorted(&events, 50_000);
    assert!(n_runs > 10, "{n_runs} runs");
    assert!(spilled == expected);
}

#[test]
fn many_runs_are_joined_so_that_few_are_open() {
    let events = events(RUNS_MAX * 3 + 7);
    let mut expected = events.clone();
    expected.sort_by_key(PlacedEvent::key);
    // Every event is a run of its own.
    let (spilled, n_runs) = sorted(&events, 0);
    assert_eq!(n_runs, RUNS_MAX - 1, "then they became one");
    assert!(spilled == expected);
}

#[test]
fn nothing_sorts_to_nothing() {
    assert_eq!(sorted(&[], 0), (Vec::new(), 0));
}
