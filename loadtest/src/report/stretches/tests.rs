//! Costs by stretch are those of the samples in it.

use super::*;

/// A second in which so many events were acknowledged at so much CPU.
fn second(at_s: f64, phase: usize, events_per_second: f64, cpu_percent: f64) -> Sample {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small numbers"
    )]
    let written_bytes = Some((at_s * 1e6) as u64);
    Sample {
        at_s,
        phase,
        events_per_second,
        refused_per_second: 0.0,
        ack_latency_ms: None,
        cpu_percent: Some(cpu_percent),
        harness_cpu_percent: Some(50.0),
        resident_bytes: Some(7),
        disk_bytes: None,
        log_bytes: Some(8),
        state_bytes: None,
        written_bytes,
        disk_bytes_per_event: None,
        backlog: None,
        timer_lateness_p99_ms: None,
    }
}

#[test]
fn a_cost_that_grows_shows_in_the_stretches() {
    let n_seconds: u32 = 40;
    let samples: Vec<Sample> = (0..=n_seconds)
        .map(|n| {
            let phase = usize::from(n > 0);
            second(f64::from(n) + 1.0, phase, 1_000.0, 100.0 + f64::from(n))
        })
        .collect();
    let kind = PhaseKind::Closed {
        extent: Extent::Events(40_000),
    };
    let found = stretches(&samples, 1, &kind);
    assert_eq!(found.len(), 20);
    let us = |stretch: &Stretch| stretch.cpu_us_per_event.unwrap().round();
    // Seconds 1 and 2, then 39 and 40.
    assert_eq!((us(&found[0]), us(&found[19])), (1_015.0, 1_395.0));
    assert_eq!((found[0].events_to, found[19].events_to), (2_000, 40_000));
    assert_eq!(found[1].written_bytes_per_event, Some(1_000.0));
    assert_eq!(found[3].log_bytes, Some(8));
    assert_eq!(found[3].events_per_second, 1_000.0);
}

#[test]
fn only_a_phase_bounded_by_events_has_stretches() {
    let samples = vec![second(1.0, 0, 10.0, 10.0)];
    let kind = PhaseKind::Closed {
        extent: Extent::Seconds(1),
    };
    assert!(stretches(&samples, 0, &kind).is_empty());
}

#[test]
fn what_a_node_did_with_its_processor_is_told_beside_what_the_harness_took() {
    let samples = vec![second(2.0, 0, 100.0, 150.0), second(3.0, 1, 500.0, 90.0)];
    let used = Used::in_phase(&samples, 0);
    assert_eq!(used.node_cores(), Some(1.5));
    assert_eq!(used.harness_cores(), Some(0.5));
    assert_eq!(used.us_per_event(), Some(15_000.0));
    assert_eq!(Used::in_phase(&samples, 2).node_cores(), None);
}
