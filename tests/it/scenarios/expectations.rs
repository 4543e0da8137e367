//! What every pass through the scenarios must end in, wherever the process was killed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan as _};
use journey_client::wire;
use journey_types::Timestamp;
use tests::wait_until;

use super::journeys::UNITS;
use super::{instances, wait_of};
use crate::world::{World, counts};

/// Customer, content, body, and how many effects of that kind.
const EFFECTS: &[(&str, &str, &str, usize)] = &[
    ("never_comes", "remind", "remind", 1),
    ("was_true", "welcome", "welcome", 1),
    ("becomes_true", "welcome", "welcome", 1),
    ("patient", "cancellation", "a1", 1),
    ("patient", "reminder", "a2", 1),
    ("signer", "note", "k1", 1),
    ("regular", "hello_again", "again", 2),
    ("regular", "hello_once", "once", 1),
    ("late_one", "late", "late", 1),
];

/// Journey, instances entered, completed, timers that fired.
const COUNTS: &[(&str, u64, u64, u64)] = &[
    ("wait_briefly", 2, 2, 1),
    ("wait_long", 1, 1, 0),
    ("appointment", 2, 2, 1),
    ("keyed", 1, 0, 0),
    ("morning", 2, 0, 0),
    ("office_hours", 2, 0, 0),
    ("always", 2, 2, 0),
    ("never", 1, 1, 0),
    ("past_date", 1, 1, 0),
    ("branches", 3, 3, 0),
];

/// How many effects there are.
pub(super) fn n_effects() -> usize {
    EFFECTS.iter().map(|(.., n)| n).sum()
}

pub(super) async fn hold(
    world: &World,
    effects: &BTreeMap<(String, String, String), BTreeSet<String>>,
) -> anyhow::Result<()> {
    for (journey, entered, completed, timers_fired) in COUNTS {
        wait_until(&format!("{journey} to complete {completed}"), || async {
            let counts = counts(&world.client, journey).await.ok()?;
            (counts.completed == *completed).then_some(())
        })
        .await?;
        let counts = counts(&world.client, journey).await?;
        let seen = (
            counts.entered,
            counts.completed,
            counts.active,
            counts.timers_fired,
        );
        let wanted = (*entered, *completed, entered - completed, *timers_fired);
        assert_eq!(
            seen, wanted,
            "entered, completed, active, timers of {journey}"
        );
        assert!(
            counts.exited.is_empty() && counts.parked == 0,
            "{journey}: {counts:?}"
        );
    }
    let seen: BTreeMap<_, usize> = effects
        .iter()
        .map(|(what, ids)| (what.clone(), ids.len()))
        .collect();
    let wanted: BTreeMap<_, usize> = EFFECTS
        .iter()
        .map(|(customer, content, body, n)| {
            (
                (
                    (*customer).to_owned(),
                    (*content).to_owned(),
                    (*body).to_owned(),
                ),
                *n,
            )
        })
        .collect();
    assert_eq!(seen, wanted, "messages");
    assert_eq!(
        counts(&world.client, "never").await?.refused["reentry_never"],
        1
    );
    local_times_hold(world).await?;
    units_hold(world).await?;
    branches_hold(world).await
}

/// Scenario 4: 09:00 of the customer's day, in the customer's zone and in the journey's, also 180 days on, where clocks
/// have changed.
async fn local_times_hold(world: &World) -> anyhow::Result<()> {
    for (customer, zone) in [
        ("new_yorker", "America/New_York"),
        ("londoner", "Europe/London"),
    ] {
        let instances = instances(world, customer).await?;
        let zone = TimeZone::get(zone)?;
        for instance in &instances {
            let (since, due) = wait_of(instance);
            let local = |at: Timestamp| -> anyhow::Result<jiff::Zoned> {
                Ok(Instant::from_millisecond(at.unix_ms())?.to_zoned(zone.clone()))
            };
            let (since, due) = (local(since)?, local(due)?);
            let nine = jiff::civil::time(9, 0, 0, 0);
            if instance.journey == "morning" {
                assert_eq!(due.time(), nine, "{customer}");
                assert!(
                    due > since && due <= since.checked_add(25.hours())?,
                    "{due} after {since}"
                );
            } else {
                let free = since
                    .timestamp()
                    .checked_add((180 * 24).hours())?
                    .to_zoned(zone.clone());
                let inside = (9..18).contains(&free.hour());
                assert!(
                    if inside {
                        due == free
                    } else {
                        due.time() == nine
                    },
                    "{due} for {free}"
                );
                assert!(
                    due >= free && due <= free.checked_add(25.hours())?,
                    "{due} for {free}"
                );
            }
        }
        assert_eq!(
            instances.len(),
            2,
            "{customer} waits for the morning and for office hours"
        );
    }
    Ok(())
}

/// Scenario 6: each unit of a duration; the one that does not exist is refused with its place.
async fn units_hold(world: &World) -> anyhow::Result<()> {
    let instances = instances(world, "patient_one").await?;
    for (number, (unit, length_ms)) in UNITS.iter().enumerate() {
        let journey = format!("unit_{number}");
        let Some(instance) = instances
            .iter()
            .find(|instance| instance.journey == journey)
        else {
            // Only the shortest can be over, on a machine that takes its time.
            let counts = counts(&world.client, &journey).await?;
            assert!(
                *unit == "45s" && counts.completed == 1,
                "{journey}: {counts:?}"
            );
            continue;
        };
        let (since, due) = wait_of(instance);
        assert_eq!(due.unix_ms() - since.unix_ms(), *length_ms, "{unit}");
    }
    let odd = "journey: odd\nentry: [ { event: a } ]\nsteps:\n  wait: { delay: 5 parsecs }\n";
    let refused = crate::world::publish(&world.client, odd)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("test.yaml:4:18") && refused.contains("parsecs"),
        "{refused}"
    );
    Ok(())
}

/// Scenario 7: the branch of each time, and the skipped step on record.
async fn branches_hold(world: &World) -> anyhow::Result<()> {
    let request = wire::GetTimelineRequest {
        customer_id: "chooser".to_owned(),
        ..Default::default()
    };
    let timeline = world.client.get_timeline(request).await?.entries;
    let ways: Vec<&str> = timeline
        .iter()
        .map(|entry| entry.text.as_str())
        .filter(|text| text.contains("trait way") || text.contains("skipped"))
        .collect();
    let wanted = [
        "other -> end (skipped)",
        "trait way = \"hat\"",
        "trait way = \"gold\"",
    ];
    assert!(
        ways.len() == wanted.len()
            && ways
                .iter()
                .zip(wanted)
                .all(|(way, wanted)| way.contains(wanted)),
        "{ways:?} in {timeline:#?}"
    );
    Ok(())
}
