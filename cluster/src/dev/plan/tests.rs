//! Folders, ports and command lines.

use std::path::Path;

use super::{fixed_ports, plans};
use crate::arguments::DevArguments;

fn arguments(port: u16) -> DevArguments {
    DevArguments {
        nodes: 3,
        data_dir: None,
        port,
        partitions: Some(4),
        log_level: None,
    }
}

#[test]
fn the_first_node_founds_and_the_others_join_it() {
    let plans = plans(&arguments(7_701), Path::new("/tmp/some where")).unwrap();
    assert_eq!(
        plans[0].command(),
        "journeyd start --data-dir '/tmp/some where/n1' --listen 127.0.0.1:7701 --http-listen 127.0.0.1:7702 \
         --peer-listen 127.0.0.1:7703 --partitions 4"
    );
    assert_eq!(
        plans[2].command(),
        "journeyd start --data-dir '/tmp/some where/n3' --listen 127.0.0.1:7721 --http-listen 127.0.0.1:7722 \
         --peer-listen 127.0.0.1:7723 --join 127.0.0.1:7703"
    );
}

#[test]
fn free_ports_differ() {
    let plans = plans(&arguments(0), Path::new("x")).unwrap();
    let mut ports: Vec<u16> = plans
        .iter()
        .flat_map(|plan| [plan.api.port(), plan.http.port(), plan.peers.port()])
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 9);
}

#[test]
fn ports_that_do_not_exist_are_refused() {
    assert!(fixed_ports(65_513, 3).is_ok());
    let error = fixed_ports(65_514, 3).unwrap_err().to_string();
    assert!(error.contains("no room for 3 nodes"), "{error}");
}
