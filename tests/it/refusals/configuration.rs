//! Every key of a node's configuration with a value that does not fit, in the file, the environment and the flags.

use tests::Refusals;

use super::{last_words, start, typed};
use crate::world::write_file;

/// The start of a connector; `FOLDER/secret` holds a good secret.
const CONNECTOR: &str = "\
[connectors.crm]
kind = \"webhook\"
url = \"https://crm.example.com/hook\"
secret-file = \"FOLDER/secret\"
";

/// Files by the part of the configuration.
const FILES: &[(&str, &[&str])] = &[
    (
        "The file",
        &[
            "partitions = ",
            "partition = 4",
            "partitions = \"four\"",
            "[rafft]\nheartbeat-interval = \"50ms\"",
            "[raft]\nheartbeat = \"50ms\"",
            "partitions = 4\npartitions = 8",
        ],
    ),
    (
        "The node",
        &[
            "partitions = 0",
            "partitions = 257",
            "partitions = -1",
            "data-dir = 7",
            "listen = \"localhost:7701\"",
            "listen = \"0.0.0.0:7701\"",
            "http-listen = \"here\"",
            "http-listen = \"0.0.0.0:7702\"",
            "listen = \"127.0.0.1:7701\"\nhttp-listen = \"127.0.0.1:7701\"",
            "insecure-listen = \"yes\"",
        ],
    ),
    (
        "[cluster]",
        &[
            "[cluster]\nid = \"none\"",
            "[cluster]\nid = \"0\"",
            "[cluster]\njoin = \"a:7703\"",
            "[cluster]\npeer-listen = \"127.0.0.1:7703\"\njoin = [\"here\"]",
            "[cluster]\npeer-listen = \"0.0.0.0:7703\"",
            "insecure-listen = true\n[cluster]\npeer-listen = \"0.0.0.0:7703\"",
            "[cluster]\npeer-listen = \"127.0.0.1:7701\"",
            "[cluster]\nadvertise = \"here\"",
            "[cluster]\npeer-advertise = \"here\"",
            "[cluster]\nzone = \"ZONE\"",
            "[cluster]\nweight = 0",
            "[cluster]\nweight = 1001",
            "[cluster]\ndown-after = \"1s\"",
            "[cluster]\ndown-after = \"8d\"",
        ],
    ),
    (
        "[raft]",
        &[
            "[raft]\nheartbeat-interval = \"5 parsecs\"",
            "[raft]\nheartbeat-interval = 50",
            "[raft]\nheartbeat-interval = \"5ms\"",
            "[raft]\nheartbeat-interval = \"100ms\"",
            "[raft]\nelection-timeout-max = \"200ms\"",
        ],
    ),
    (
        "[storage]",
        &[
            "[storage]\nlog-cache = \"big\"",
            "[storage]\nlog-cache = \"1MiB\"",
            "[storage]\nstate-cache = \"65GiB\"",
            "[storage]\ncustomer-cache = \"1MB\"",
            "[storage]\ncustomer-cache = \"7MiB\"",
            "[storage]\nlog-bytes-max = \"1KiB\"",
        ],
    ),
    (
        "[disk]",
        &[
            "[disk]\nlow = \"much\"",
            "[disk]\nlow = \"100%\"",
            "[disk]\nlow = \"5%\"",
            "[disk]\nhigh = \"1GiB\"\ncritical = \"2GiB\"",
            "[disk]\nbudget = \"10%\"",
        ],
    ),
    (
        "[limits]",
        &[
            "[limits]\nrequests-per-partition = 1",
            "[limits]\nevents-in-flight = 1",
            "[limits]\nworkspace-events-per-second = -1",
            "[limits.workspaces]\nacme = 0",
            "[limits.workspaces]\n\"\" = 5",
        ],
    ),
    (
        "[log]",
        &[
            "[log]\nlevel = \"waring\"",
            "[log]\nlevel = \"info,a=b\"",
            "[log]\nformat = \"xml\"",
        ],
    ),
    (
        "[channels]",
        &[
            "[channels.\"E Mail\".retry]\nattempts-max = 5",
            "[channels.email.retry]\nattempts-max = 0",
            "[channels.email.retry]\npause-first = \"2h\"",
            "[channels.email.retry]\npause-max = \"25h\"",
            "[channels.email.retry]\npause-first = \"1m\"\npause-max = \"1s\"",
            "[channels.email]\nrate = \"5/s\"",
        ],
    ),
];

/// What is added to a connector that is fine otherwise.
const CONNECTORS: &[&str] = &[
    "kind = \"smtp\"",
    "channels = [\"E Mail\"]",
    "workspace = \"\"",
    "timeout = \"1ms\"",
    "timeout = \"2m\"",
    "concurrency = 0",
    "concurrency = 257",
    "rate = \"fast\"",
    "rate = \"0/s\"",
    "allow-private = \"yes\"",
    "ca-file = \"FOLDER/none.pem\"",
    "ca-file = \"FOLDER/secret\"",
    "headers = { \"a b\" = \"c\" }",
    "headers = { a = \"b\\nc\" }",
    "headers = { Idempotency-Key = \"mine\" }",
    "header-files = { token = \"FOLDER/none\" }",
    "headers = { token = \"a\" }\nheader-files = { Token = \"FOLDER/secret\" }",
    "retry = { attempts-max = 0 }",
    "retry = { pause-first = \"1ms\" }",
    "retry = { pause-first = \"1m\", pause-max = \"1s\" }",
    "breaker = { failures = 0 }",
    "breaker = { window = \"10ms\" }",
    "breaker = { open-for = \"2h\" }",
    "secret = \"in the open\"",
];

/// Connectors that are not fine from their first lines on.
const WHOLE_CONNECTORS: &[&str] = &[
    "[connectors.crm]\nkind = \"webhook\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://a/\"",
    "[connectors.\"C R M\"]\nkind = \"webhook\"\nurl = \"https://a/\"\nsecret-file = \"FOLDER/secret\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"crm.example.com\"\nsecret-file = \"FOLDER/secret\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"ftp://crm.example.com/\"\nsecret-file = \"FOLDER/secret\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://me:word@crm.example.com/\"\nsecret-file = \"FOLDER/secret\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://crm.example.com/#part\"\nsecret-file = \"FOLDER/secret\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"http://localhost/\"\nsecret-file = \"FOLDER/secret\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"http://10.0.0.7/\"\nsecret-file = \"FOLDER/secret\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"http://169.254.169.254/\"\nsecret-file = \"FOLDER/secret\"\nallow-private = true",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://a/\"\nsecret-file = \"FOLDER/none\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://a/\"\nsecret-file = \"FOLDER\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://a/\"\nsecret-file = \"FOLDER/short\"",
    "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://a/\"\nsecret-file = \"FOLDER/empty\"",
    "[connectors.a]\nkind = \"webhook\"\nurl = \"https://a/\"\nsecret-file = \"FOLDER/secret\"\nchannels = [\"push\"]\n\
     [connectors.b]\nkind = \"webhook\"\nurl = \"https://b/\"\nsecret-file = \"FOLDER/secret\"\nchannels = [\"push\"]",
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("JOURNEY__PARTITIONZ", "8"),
    ("JOURNEY__PARTITIONS", "many"),
    ("JOURNEY__PARTITIONS", "0"),
    ("JOURNEY__RAFT__HEARTBEAT_INTERVAL", "soon"),
    ("JOURNEY__RAFT__HEARTBEAT_INTERVAL", "50"),
    ("JOURNEY__RAFT", "fast"),
    ("JOURNEY__LISTEN", "here"),
    ("JOURNEY__INSECURE_LISTEN", "maybe"),
];

const FLAGS: &[&[&str]] = &[
    &["--listen", "localhost"],
    &["--listen", "0.0.0.0:7701"],
    &["--http-listen", "here"],
    &["--peer-listen", "here"],
    &["--join", "127.0.0.1:7703"],
    &["--partitions", "0"],
    &["--partitions", "many"],
    &["--weight", "0"],
    &["--cluster-id", "xyz"],
    &["--log-level", "loud"],
    &["--config", "/none.toml"],
    &["--config", "FOLDER"],
    &["--config", "FOLDER/binary.toml"],
    &["--dta-dir", "x"],
];

/// What else can be typed after `journeyd`.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["strat"],
    &["demo", "--rate", "0"],
    &["demo", "--for", "5 parsecs"],
    &["dev", "--nodes", "10"],
];

#[test]
fn every_mistake_in_the_configuration_has_its_answer_in_the_table() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().display().to_string();
    write_file(folder.path(), "secret", "whsec_0123456789abcdef\n")?;
    write_file(folder.path(), "short", "short\n")?;
    write_file(folder.path(), "empty", "")?;
    std::fs::write(folder.path().join("binary.toml"), [0xc3, 0x28])?;
    let mut table = Refusals::new(
        "configuration",
        "The configuration of a node",
        "What `journeyd start` says to what does not fit in its file, in the environment and in its flags (and `journeyd` to what is \
         typed wrong), each time with exit code 1, or 2 for wrong usage. `FOLDER/short` holds five bytes, `FOLDER/empty` none.",
    );
    table.replace(&place, "FOLDER");
    let zone = "z".repeat(300);
    table.replace(&zone, "<300 bytes>");
    let file = |table: &mut Refusals, text: &str| {
        let placed = text.replace("FOLDER", &place).replace("ZONE", &zone);
        let path = write_file(folder.path(), "node.toml", &placed)?;
        let output = start(folder.path(), &["--config", &path], &[])?;
        let code = output.status.code().unwrap_or(-1);
        table.command(&placed, code, &last_words(&output))
    };
    for (title, texts) in FILES {
        table.section(title);
        for text in *texts {
            file(&mut table, text)?;
        }
    }
    table.section("[connectors]");
    for text in WHOLE_CONNECTORS {
        file(&mut table, text)?;
    }
    for more in CONNECTORS {
        let connector = if more.starts_with("kind") {
            CONNECTOR.replace("kind = \"webhook\"", more)
        } else {
            format!("{CONNECTOR}{more}")
        };
        file(&mut table, &connector)?;
    }
    table.section("The environment");
    for (name, value) in ENVIRONMENT {
        let output = start(folder.path(), &[], &[(name, value)])?;
        let code = output.status.code().unwrap_or(-1);
        table.command(&format!("{name}={value}"), code, &last_words(&output))?;
    }
    table.section("Flags");
    for arguments in FLAGS {
        let placed: Vec<String> = arguments
            .iter()
            .map(|argument| argument.replace("FOLDER", &place))
            .collect();
        let placed: Vec<&str> = placed.iter().map(String::as_str).collect();
        let output = start(folder.path(), &placed, &[])?;
        let code = output.status.code().unwrap_or(-1);
        let typed = typed("journeyd start", arguments);
        table.command(&typed, code, &last_words(&output))?;
    }
    table.section("Other commands");
    for arguments in COMMANDS {
        let output = crate::world::programs()
            .command("journeyd")
            .args(*arguments)
            .output()?;
        let code = output.status.code().unwrap_or(-1);
        table.command(&typed("journeyd", arguments), code, &last_words(&output))?;
    }
    table.hold()
}
