//! Connectors in the configuration: every problem is reported, secrets are not.

use std::io::Write as _;
use std::path::Path;

use crate::config::{Config, Layers, load};

fn load_text(text: &str) -> Result<Config, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let layers = Layers {
        file: Some(file.path().to_path_buf()),
        ..Layers::default()
    };
    load(layers).map_err(|error| error.to_string())
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_connector_needs_three_keys() {
    let folder = tempfile::tempdir().unwrap();
    let secret = write(folder.path(), "secret", "whsec_0123456789abcdef\n");
    let config = load_text(&format!(
        "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://example.com/secret-path\"\nsecret-file = \"{secret}\"\n"
    ))
    .unwrap();
    let crm = &config.connectors["crm"];
    assert_eq!(
        (crm.concurrency, crm.timeout.get(), crm.workspace.as_str()),
        (16, 10_000, "default")
    );
    assert!(crm.rate.is_none() && crm.channels.is_empty() && !crm.allow_private);
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("secret-path") && !shown.contains("whsec"),
        "{shown}"
    );
}

#[test]
fn every_problem_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let short = write(folder.path(), "short", "short\n");
    let missing = folder.path().join("missing");
    let text = format!(
        "[connectors.crm]\nkind = \"webhook\"\nurl = \"http://10.0.0.1/\"\nsecret-file = \"{short}\"\n\
         channels = [\"push\", \"Bad Channel\"]\nconcurrency = 0\ntimeout = \"1h\"\n\
         retry = {{ attempts-max = 0, pause-first = \"2h\" }}\nbreaker = {{ failures = 0, window = \"1ms\" }}\n\
         headers = {{ Host = \"a\" }}\n\
         [connectors.other]\nkind = \"webhook\"\nurl = \"ftp://x\"\nsecret-file = \"{}\"\nchannels = [\"push\"]\n\
         ca-file = \"{}\"\nheaders = {{ X-A = \"1\" }}\nheader-files = {{ x-a = \"{short}\" }}\n",
        missing.display(),
        missing.display(),
    );
    let problems = load_text(&text).unwrap_err();
    for expected in [
        "connectors.crm.concurrency = 0 is not in 1 to 256",
        "connectors.crm.timeout = 1h is not in 100ms to 1m",
        "connectors.crm.retry.attempts-max = 0",
        "connectors.crm.retry.pause-first = 2h is not in 10ms to 1h",
        "connectors.crm.retry.pause-max is below retry.pause-first",
        "connectors.crm.breaker.failures = 0",
        "connectors.crm.breaker.window = 1ms",
        "connectors.crm.channels: ",
        "connectors.crm.url: the URL cannot be connected to: 10.0.0.1 is a private address",
        "connectors.crm.secret-file: the secret has 5 bytes, at least 16",
        "connectors.crm.headers: the header `Host` is set by journeyd",
        "connectors.other.channels: `push` is delivered by the connector `crm` already",
        "connectors.other.secret-file: cannot read",
        "connectors.other.ca-file: cannot read",
        "connectors.other.header-files: `x-a` stands in `headers` too",
    ] {
        assert!(
            problems.contains(expected),
            "{expected}\nis not in {problems}"
        );
    }
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    let text = "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://example.com\"\nsecret-file = \"x\"\nconcurency = 2\n";
    let refused = load_text(text).unwrap_err();
    assert!(refused.contains("did you mean `concurrency`?"), "{refused}");
    let refused = load_text(&text.replace("concurency = 2", "rate = \"fast\"")).unwrap_err();
    assert!(refused.contains("`fast` is no rate"), "{refused}");
    let text = text.replace("concurency = 2", "");
    let refused = load_text(&text.replace("\"webhook\"", "\"smtp\"")).unwrap_err();
    assert!(refused.contains("unknown variant `smtp`"), "{refused}");
}

/// The commented connector of the documented file is one that works, and says the defaults.
#[test]
fn the_documented_connector_holds_every_key_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/node.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, example) = text.split_once("# [connectors.crm]").unwrap();
    let keys: Vec<&str> = example
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or_default())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let secret = write(folder.path(), "secret", "whsec_0123456789abcdef");
    let documented = format!("[connectors.crm]\n{}\n", keys.join("\n"));
    let documented = documented.replace("/etc/journeyd/crm.secret", &secret);
    let plain = format!(
        "[connectors.crm]\nkind = \"webhook\"\nurl = \"https://crm.example.com/hooks\"\nsecret-file = \"{secret}\"\n"
    );
    assert_eq!(load_text(&documented).unwrap(), load_text(&plain).unwrap());
    for key in [
        "channels",
        "workspace",
        "timeout",
        "concurrency",
        "rate",
        "allow-private",
        "ca-file",
        "headers",
        "header-files",
        "attempts-max",
        "pause-first",
        "pause-max",
        "failures",
        "window",
        "open-for",
    ] {
        assert!(example.contains(&format!("# {key} = ")), "{key}");
    }
}
