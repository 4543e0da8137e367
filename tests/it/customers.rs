//! One customer at a time: show, timeline, export, pages.

use journey_client::wire;
use journey_types::Value;

use crate::world::{World, accept, event, event_with};

const SHOP: &str = "\
journey: shop
entry: [ { event: cart_added } ]
steps:
  mark: { update: { traits.last_cart: event_count, vars.n: 1 }, next: rest }
  rest: { wait_until: [ { event: purchase, next: end }, { when: 'history.sum(\"purchase\", \"value\") > 1000', next: end }, { after: 3d, next: end } ] }
";

#[tokio::test]
async fn show_timeline_and_export() -> anyhow::Result<()> {
    let journeys = SHOP.replace("event_count", "'history.count(\"cart_added\")'");
    let world = World::with_journeys(&journeys).await?;
    for customer in ["ann", "ben", "cy"] {
        let value = [("value", Value::Double(10.25))];
        accept(
            &world.client,
            event_with(customer, "p1", "purchase", &value),
        )
        .await?;
        accept(
            &world.client,
            event_with(customer, "p2", "purchase", &value),
        )
        .await?;
        accept(&world.client, event(customer, "c1", "cart_added")).await?;
    }
    let shown = world.ctl.json(&["customer", "show", "ann"])?;
    assert_eq!(shown["customer"]["traits"]["last_cart"], 1.0);
    let history = shown["customer"]["history"].as_array().unwrap();
    let sum = history
        .iter()
        .find(|a| a["label"].as_str().unwrap().starts_with("sum"))
        .unwrap();
    assert_eq!(sum["sum"], "20.5");
    let instance = &shown["instances"][0];
    assert_eq!(instance["step"], "rest");
    assert!(
        instance["waitsFor"]
            .as_str()
            .unwrap()
            .contains("event purchase"),
        "{instance}"
    );
    let table = world.ctl.run(&["customer", "show", "ann"])?;
    for part in ["customer", "ann", "trait", "last_cart", "WAITS FOR"] {
        assert!(
            table.stdout.contains(part),
            "{part:?} is missing in:\n{}",
            table.stdout
        );
    }
    let timeline = world.ctl.json(&["customer", "timeline", "ann"])?;
    let entries = timeline["entries"].as_array().unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry["text"].as_str().unwrap().contains("shop")),
        "{timeline}"
    );
    let table = world.ctl.run(&["customer", "timeline", "ann"])?;
    assert!(table.stdout.contains("WHAT HAPPENED"), "{table:?}");
    let exported = world.ctl.run(&["customer", "export"])?;
    assert_eq!(exported.stdout.lines().count(), 3, "{exported:?}");
    let ids = world.file("ids.txt", "ben\n\nann\n")?;
    let exported = world.ctl.run(&["customer", "export", "--ids", &ids])?;
    assert_eq!(exported.stdout.lines().count(), 2, "{exported:?}");
    let missing = world.ctl.run(&["customer", "show", "nobody"])?;
    assert!(
        missing.code == 1 && missing.stderr.contains("no customer `nobody`"),
        "{missing:?}"
    );
    world.expect_no_warnings();
    Ok(())
}

#[tokio::test]
async fn pages_hold_every_customer_once() -> anyhow::Result<()> {
    let world = World::start().await?;
    for number in 0..25 {
        accept(&world.client, event(&format!("c{number}"), "1", "seen")).await?;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut page_token = String::new();
    loop {
        let request = wire::ListCustomersRequest {
            page_size: 4,
            page_token,
            ..Default::default()
        };
        let page = world.client.list_customers(request).await?;
        assert!(page.customers.len() <= 4);
        for customer in page.customers {
            assert!(seen.insert(customer.customer_id), "a customer came twice");
        }
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    assert_eq!(seen.len(), 25);
    Ok(())
}

#[tokio::test]
async fn a_read_sees_what_was_acknowledged() -> anyhow::Result<()> {
    let world = World::start().await?;
    for number in 0..10 {
        let result =
            crate::world::send(&world.client, event("ann", &number.to_string(), "seen")).await?;
        for read in [
            wire::ReadOptions {
                linearizable: true,
                min_index: 0,
            },
            wire::ReadOptions {
                linearizable: false,
                min_index: result.index,
            },
        ] {
            let request = wire::GetCustomerRequest {
                customer_id: "ann".to_owned(),
                read: Some(read),
                ..Default::default()
            };
            let customer = world
                .client
                .get_customer(request)
                .await?
                .customer
                .unwrap_or_default();
            assert_eq!(
                customer.sequence,
                number + 2,
                "born, and one fact for each event"
            );
        }
    }
    Ok(())
}
