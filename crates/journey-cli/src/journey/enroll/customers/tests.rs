//! Lines of a file as customers.

use std::io::Write as _;

use super::*;

fn read(text: &str, named: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let given = Given {
        id: "wave".to_owned(),
        input: serde_json::from_str("{\"tier\": \"gold\"}").unwrap(),
    };
    let (sender, mut receiver) = mpsc::channel(1_000);
    let named = named.iter().map(|id| (*id).to_owned()).collect();
    read_customers(named, Some(file.path()), &given, &sender).unwrap();
    drop(sender);
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    while let Some(read) = receiver.blocking_recv() {
        match read {
            Read::Batch(customers) => found.extend(customers.iter().map(|one| {
                let input = serde_json::to_string(&one.input).unwrap();
                format!("{} {} {input}", one.customer_id, one.id)
            })),
            Read::Bad(line) => bad.push(format!("{}: {}", line.line, line.code())),
        }
    }
    (found, bad)
}

#[test]
fn a_line_is_an_id_or_json_and_what_it_lacks_comes_from_the_command() {
    let text =
        "a\n\n  b  \n{\"customer_id\":\"c\",\"id\":\"own\",\"input\":{\"tier\":\"silver\"}}\n";
    let (found, bad) = read(text, &["n"]);
    let expected = [
        r#"n wave {"tier":"gold"}"#,
        r#"a wave {"tier":"gold"}"#,
        r#"b wave {"tier":"gold"}"#,
        r#"c own {"tier":"silver"}"#,
    ];
    assert_eq!(found, expected);
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn a_line_that_names_nobody_is_reported_and_the_rest_goes_on() {
    let text = "a\n{\"customer\":\"b\"}\n{\nd";
    let (found, bad) = read(text, &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(bad, ["2: no_customer", "3: no_customer"]);
}
