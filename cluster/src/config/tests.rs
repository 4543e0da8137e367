//! Layers, ranges and messages of the configuration.

use std::io::Write as _;

use super::{Config, Layers, Millis, load};

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn defaults_hold_together() {
    Config::default().validate().unwrap();
}

#[test]
fn flags_lie_over_environment_over_file() {
    let file = file(
        "partitions = 4\n[raft]\nheartbeat-interval = \"60ms\"\nelection-timeout-min = \"300ms\"\n",
    );
    let layers = Layers {
        file: Some(file.path().to_path_buf()),
        environment: vec![
            ("JOURNEY__PARTITIONS".into(), "8".into()),
            ("JOURNEY__RAFT__HEARTBEAT_INTERVAL".into(), "70ms".into()),
            ("HOME".into(), "/root".into()),
        ],
        flags: vec![("partitions", toml::Value::Integer(2))],
    };
    let config = load(layers).unwrap();
    assert_eq!(config.partitions, 2);
    assert_eq!(config.raft.heartbeat_interval, Millis::new(70));
    assert_eq!(config.raft.election_timeout_min, Millis::new(300));
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("partition = 4", "unknown field `partition`"),
        ("partitions = 0", "partitions = 0 is not in 1 to 256"),
        ("listen = \"0.0.0.0:7701\"", "--insecure-listen"),
        (
            "[raft]\nheartbeat-interval = \"100ms\"",
            "below 3 heartbeats",
        ),
        (
            "[raft]\nheartbeat-interval = \"5 parsecs\"",
            "unknown unit `parsecs`",
        ),
        ("[storage]\nlog-cache = \"big\"", "`big` is no size"),
        (
            "[storage]\nlog-cache = \"1MiB\"",
            "storage.log-cache is below 8MiB",
        ),
        (
            "http-listen = \"0.0.0.0:7702\"",
            "http-listen = 0.0.0.0:7702",
        ),
        ("http-listen = \"here\"", "`here` is no address"),
        ("[disk]\nlow = \"much\"", "neither a share nor a size"),
        ("[disk]\nlow = \"5%\"", "disk.low is not above disk.high"),
        ("[limits]\nrequests-per-partition = 1", "not in 2 to 4096"),
        ("[limits]\nevents-in-flight = 1", "not in 64 to 1000000"),
        (
            "[limits.workspaces]\nacme = 0",
            "rate of workspace `acme` is 0",
        ),
        ("partitions = ", "partitions"),
        (
            "[storage]\ncustomer-cache = \"2TiB\"",
            "storage.customer-cache is above 1024GiB",
        ),
        ("[log]\nlevel = \"waring\"", "`waring` is no level"),
        ("[log]\nlevel = \"info,a=b\"", "`info,a=b` is no filter"),
        (
            "[cluster]\njoin = \"a:7703\"",
            "cluster.join is set and cluster.peer-listen is not",
        ),
        ("[cluster]\nid = \"none\"", "`none` is no cluster id"),
        (
            "[cluster]\nweight = 0",
            "cluster.weight = 0 is not in 1 to 1000",
        ),
        (
            "[cluster]\npeer-listen = \"127.0.0.1:7703\"\njoin = [\"here\"]",
            "cluster.join = `here` is no `host:port`",
        ),
        (
            "insecure-listen = true\n[cluster]\npeer-listen = \"0.0.0.0:7703\"",
            "set cluster.peer-advertise",
        ),
    ];
    for (text, expected) in cases {
        let file = file(text);
        let layers = Layers {
            file: Some(file.path().to_path_buf()),
            ..Layers::default()
        };
        let message = load(layers).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}\n gave {message}");
    }
}

#[test]
fn an_unknown_environment_key_is_named() {
    let environment = vec![("JOURNEY__PARTITIONZ".into(), "8".into())];
    let message = load(Layers {
        environment,
        ..Layers::default()
    })
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("JOURNEY__PARTITIONZ") && message.contains("partitionz"),
        "{message}"
    );
}

#[test]
fn what_an_environment_variable_cannot_be_is_named() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = std::ffi::OsString::from_vec(vec![0xff]);
    for (name, value, expected) in [
        ("JOURNEY__DATA_DIR", bytes, "its value is not UTF-8 text"),
        (
            "JOURNEY__DATA_DIR__X",
            "1".into(),
            "`data-dir` is a value and has no key `x`",
        ),
        ("JOURNEY__PARTITIONS", "many".into(), "invalid type: string"),
    ] {
        let environment = vec![
            ("JOURNEY__DATA_DIR".into(), "d".into()),
            (name.into(), value),
        ];
        let layers = Layers {
            environment,
            ..Layers::default()
        };
        let message = load(layers).unwrap_err().to_string();
        assert!(
            message.contains(expected) && message.contains(name),
            "{message}"
        );
    }
    // A zone may be called 1.
    let layers = Layers {
        environment: vec![("JOURNEY__CLUSTER__ZONE".into(), "1".into())],
        ..Layers::default()
    };
    assert_eq!(load(layers).unwrap().cluster.zone, "1");
}

#[test]
fn the_documented_file_holds_every_key_with_its_default() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/node.toml");
    let config = load(Layers {
        file: Some(path),
        ..Layers::default()
    })
    .unwrap();
    assert_eq!(config, Config::default());
}
