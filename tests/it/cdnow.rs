//! Real purchases into a real node with `kill -9` in the middle and a resend: count, sum and last purchase of every
//! customer are those of the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tests::{cdnow, slow_tests_wanted};

use crate::world::World;

const JOURNEY: &str = "\
journey: totals
entry: [ { event: never_sent } ]
steps:
  keep:
    wait_until:
      - { when: 'history.count(\"purchase\") < 0 || history.sum(\"purchase\", \"value\") < 0.0 || history.last(\"purchase\") == null', next: end }
      - { after: 1d, next: end }
";

const MAP: &str = "\
map: cdnow
format: { delimiter: whitespace, header: true }
customer_id: { column: 1 }
occurred_at: { column: 2, format: \"%Y%m%d\", zone: UTC }
name: purchase
id: \"cdnow-{line}\"
properties: { quantity: { column: 3, type: int }, value: { column: 4, type: double } }
";

/// Customers of the file that CI takes; all of them with `RUN_SLOW_TESTS=1`.
const SAMPLE_EVERY: u32 = 10;

/// (count, sum in cents, last day) of each customer, by plain column cutting.
type Totals = BTreeMap<String, (u64, i64, String)>;

fn totals_of(text: &str) -> Totals {
    let mut totals = Totals::new();
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [customer, day, _, value] = columns.as_slice() else {
            continue;
        };
        let cents = (value.parse::<f64>().unwrap() * 100.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "prices of a shop in cents")]
        let cents = cents as i64;
        let entry = totals.entry((*customer).to_owned()).or_default();
        entry.0 += 1;
        entry.1 += cents;
        entry.2 = entry.2.clone().max((*day).to_owned());
    }
    totals
}

/// The file, or every so manyth customer of it, or a made-up sample where it is absent.
fn purchases() -> anyhow::Result<String> {
    let mut text = String::from("customer_id date number_of_cds dollar_value\n");
    match cdnow() {
        None => {
            for n in 0..3_000_u32 {
                let (customer, day) = (n % 301, 1 + n % 28);
                writeln!(
                    text,
                    "{customer:05} 199701{day:02} {} {}.{:02}",
                    1 + n % 3,
                    n % 50,
                    n % 100
                )?;
            }
        }
        Some(path) => {
            let wanted = |line: &&str| {
                let customer: u32 = line
                    .split_whitespace()
                    .next()
                    .unwrap_or("0")
                    .parse()
                    .unwrap_or(0);
                slow_tests_wanted() || customer.is_multiple_of(SAMPLE_EVERY)
            };
            for line in std::fs::read_to_string(path)?
                .lines()
                .skip(1)
                .filter(wanted)
            {
                writeln!(text, "{line}")?;
            }
        }
    }
    Ok(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_ingest_sent_again_gives_the_totals_of_the_file() -> anyhow::Result<()> {
    let mut world = World::with_journeys(JOURNEY).await?;
    let text = purchases()?;
    let expected = totals_of(&text);
    let events = world.file("purchases.txt", &text)?;
    let map = world.file("map.yaml", MAP)?;
    let ctl = world.ctl.clone();
    let command = {
        let (events, map) = (events.clone(), map.clone());
        std::thread::spawn(move || ctl.run(&["ingest", &events, "--map", &map, "-o", "json"]))
    };
    // In the middle: some of it is there, and not all.
    let client = world.client.clone();
    tests::wait_until("the first customers", || async {
        let request = journey_client::wire::ListCustomersRequest {
            page_size: 50,
            ..Default::default()
        };
        let page = client.list_customers(request).await.ok()?;
        (page.customers.len() == 50).then_some(())
    })
    .await?;
    world.node.kill()?;
    assert!(!command.is_finished(), "the kill came in its middle");
    world.node.restart()?;
    world.client = journey_client::Client::connect(world.node.address()).await?;
    // It outlives the kill: what was not answered is sent again, and counted once.
    let outlived = command.join().expect("the thread does not panic")?;
    assert_eq!(outlived.code, 0, "{outlived:?}");
    let n_lines = text.lines().count() as u64 - 1;
    let report: serde_json::Value = serde_json::from_str(&outlived.stdout)?;
    let sum = |report: &serde_json::Value| {
        let count = |name: &str| report[name].as_u64().unwrap_or_default();
        (count("accepted") + count("duplicate"), count("rejected"))
    };
    assert_eq!(sum(&report), (n_lines, 0), "{report}");
    let again = world.ctl.json(&["ingest", &events, "--map", &map])?;
    assert_eq!(again["duplicate"].as_u64(), Some(n_lines), "{again}");

    let exported = world.ctl.run(&["customer", "export"])?;
    assert_eq!(exported.code, 0, "{exported:?}");
    let mut found = Totals::new();
    for line in exported.stdout.lines() {
        let customer: serde_json::Value = serde_json::from_str(line)?;
        let mut total = (0, 0, String::new());
        for aggregate in customer["history"].as_array().unwrap() {
            total.0 = aggregate["count"].as_str().unwrap().parse()?;
            total.2 = aggregate["last"].as_str().unwrap()[..10].replace('-', "");
            if let Some(sum) = aggregate["sum"].as_str().filter(|sum| !sum.is_empty()) {
                let (whole, cents) = sum.split_once('.').unwrap_or((sum, "0"));
                total.1 = whole.parse::<i64>()? * 100 + format!("{cents:0<2}").parse::<i64>()?;
            }
        }
        found.insert(customer["customerId"].as_str().unwrap().to_owned(), total);
    }
    assert_eq!(found.len(), expected.len());
    for (customer, expected) in &expected {
        assert_eq!(found.get(customer), Some(expected), "customer {customer}");
    }
    Ok(())
}
