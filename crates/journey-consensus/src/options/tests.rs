//! Options that fit pass, and every one that does not is named.

use std::time::Duration;

use super::ConsensusOptions;
use crate::ConsensusError;

fn fitting() -> ConsensusOptions {
    ConsensusOptions {
        heartbeat: Duration::from_millis(50),
        election_min: Duration::from_millis(200),
        election_max: Duration::from_millis(400),
        worker_threads: 2,
    }
}

#[test]
fn timings_of_the_design_fit() {
    fitting().validate().unwrap();
    fitting().raft_config().validate().unwrap();
}

#[test]
fn every_broken_inequality_is_reported() {
    let options = ConsensusOptions {
        heartbeat: Duration::from_millis(100),
        election_min: Duration::from_millis(200),
        election_max: Duration::from_millis(200),
        worker_threads: 0,
    };
    let Err(ConsensusError::Options { problems }) = options.validate() else {
        panic!("options with three problems were accepted");
    };
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("three heartbeats"), "{problems:?}");
    assert!(problems[1].contains("election_max"), "{problems:?}");
    assert!(problems[2].contains("worker_threads"), "{problems:?}");
}
