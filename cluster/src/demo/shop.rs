//! A made-up shop: customers sign up, browse, fill carts, buy, forget.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use journey_client::wire::event_result::Status;
use journey_client::{Client, struct_from_map, wire};
use journey_partition::Clock as _;
use journey_types::Value;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::clock::{SystemClock, monotonic_now};
use crate::demo::traffic::Traffic;

/// Batches per second.
const TICKS_PER_SECOND: u32 = 20;
/// Batches that may be unanswered.
const IN_FLIGHT_MAX: usize = 8;
/// Shoppers known to one run; older ones fall silent, which is what win_back waits for.
const SHOPPERS_MAX: usize = 2_000;
const FIRST_NAMES: [&str; 8] = [
    "Ann", "Ben", "Chloe", "Dan", "Ella", "Finn", "Grace", "Hugo",
];

/// Sends events until the node refuses the stream.
pub(crate) async fn run(client: Client, rate: u32, traffic: Arc<Traffic>) -> anyhow::Result<()> {
    let mut shop = Shop::new(SystemClock.now().unix_ms());
    let mut session = client.ingest_stream().await?;
    let mut sent: VecDeque<Instant> = VecDeque::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / TICKS_PER_SECOND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            // Acks first: they make room.
            ack = session.next_ack(), if !sent.is_empty() => {
                let ack = ack?;
                let latency = sent.pop_front().map_or(Duration::ZERO, |at| at.elapsed());
                let n_refused = ack.results.iter().filter(|r| r.status() == Status::Rejected).count() as u64;
                traffic.acknowledged(ack.results.len() as u64 - n_refused, n_refused, latency);
            }
            _ = ticks.tick(), if sent.len() < IN_FLIGHT_MAX => {
                let n_events = (rate / TICKS_PER_SECOND).max(1);
                let events = (0..n_events).map(|_| shop.next_event()).collect();
                sent.push_back(monotonic_now());
                session.send(events, wire::IngestMode::Live).await?;
            }
        }
    }
}

struct Shop {
    /// Sets the ids of this run apart from those of runs before a restart.
    run: i64,
    n_events: u64,
    n_customers: u64,
    shoppers: VecDeque<Shopper>,
    rng: SmallRng,
}

struct Shopper {
    id: String,
    first_name: &'static str,
    cart: Option<Cart>,
    n_carts: u32,
    has_profile: bool,
}

struct Cart {
    id: String,
    value: f64,
}

impl Shop {
    fn new(run: i64) -> Self {
        let seed = u64::from_ne_bytes(run.to_ne_bytes());
        Self {
            run,
            n_events: 0,
            n_customers: 0,
            shoppers: VecDeque::new(),
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    fn next_event(&mut self) -> wire::CustomerEvent {
        self.n_events += 1;
        let is_new = self.shoppers.len() < 50 || self.rng.random_bool(0.03);
        let (customer_id, name, properties) = if is_new {
            self.sign_up()
        } else {
            self.shopping()
        };
        wire::CustomerEvent {
            customer_id,
            id: format!("{}-{}", self.run, self.n_events),
            name: name.to_owned(),
            channel: "web".to_owned(),
            properties: Some(struct_from_map(&properties)),
            ..Default::default()
        }
    }

    fn sign_up(&mut self) -> (String, &'static str, BTreeMap<String, Value>) {
        self.n_customers += 1;
        let first_name = FIRST_NAMES[self.rng.random_range(0..FIRST_NAMES.len())];
        let id = format!("shopper-{}-{}", self.run % 1_000_000_000, self.n_customers);
        if self.shoppers.len() == SHOPPERS_MAX {
            self.shoppers.pop_front();
        }
        let shopper = Shopper {
            id: id.clone(),
            first_name,
            cart: None,
            n_carts: 0,
            has_profile: false,
        };
        self.shoppers.push_back(shopper);
        (
            id,
            "signed_up",
            BTreeMap::from([("first_name".to_owned(), Value::text(first_name))]),
        )
    }

    fn shopping(&mut self) -> (String, &'static str, BTreeMap<String, Value>) {
        let position = self.rng.random_range(0..self.shoppers.len());
        let dice: f64 = self.rng.random();
        let value = f64::from(self.rng.random_range(500..15_000_u32)) / 100.0;
        let shopper = &mut self.shoppers[position];
        let id = shopper.id.clone();
        let text = |name: &str, text: &str| (name.to_owned(), Value::text(text));
        match (&shopper.cart, dice) {
            (_, dice) if dice < 0.5 => {
                let page = format!("/products/{}", position % 40);
                (id, "page_viewed", BTreeMap::from([text("page", &page)]))
            }
            (_, dice) if dice < 0.6 && !shopper.has_profile => {
                shopper.has_profile = true;
                (
                    id,
                    "profile_completed",
                    BTreeMap::from([text("first_name", shopper.first_name)]),
                )
            }
            (Some(cart), dice) if dice < 0.75 => {
                let properties = BTreeMap::from([
                    text("cart_id", &cart.id),
                    ("value".to_owned(), Value::number(cart.value)),
                ]);
                shopper.cart = None;
                (id, "purchase", properties)
            }
            (Some(cart), dice) if dice < 0.78 => {
                let properties = BTreeMap::from([text("cart_id", &cart.id)]);
                shopper.cart = None;
                (id, "cart_emptied", properties)
            }
            (cart, _) => {
                let cart_id = match cart {
                    Some(cart) => cart.id.clone(),
                    None => {
                        shopper.n_carts += 1;
                        format!("{id}-cart-{}", shopper.n_carts)
                    }
                };
                let total = cart.as_ref().map_or(value, |cart| cart.value + value);
                let total = (total * 100.0).round() / 100.0;
                let properties = BTreeMap::from([
                    text("cart_id", &cart_id),
                    ("value".to_owned(), Value::number(total)),
                ]);
                shopper.cart = Some(Cart {
                    id: cart_id,
                    value: total,
                });
                (id, "cart_added", properties)
            }
        }
    }
}
