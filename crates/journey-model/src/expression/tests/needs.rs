//! What an expression depends on and what must be counted for it.

use std::collections::BTreeSet;

use journey_types::{AggregateId, TimeSpan};

use super::fixture::compile;
use crate::expression::Dependencies;

fn traits(source: &str) -> Vec<String> {
    let dependencies = compile(source).dependencies().clone();
    dependencies.traits.into_iter().collect()
}

#[test]
fn traits_are_named_one_by_one_where_they_can_be() {
    let none: [&str; 0] = [];
    assert_eq!(
        traits("customer.traits.age > 3 && has(customer.traits.name)"),
        ["age", "name"]
    );
    assert_eq!(traits("customer.traits['a b'] == 1"), ["a b"]);
    assert_eq!(traits("customer.traits.?a.orValue(1)"), ["a"]);
    assert_eq!(traits("'a' in customer.traits"), ["a"]);
    assert_eq!(traits("customer.traits.address.city"), ["address"]);
    assert_eq!(traits("customer.traits[vars.name]"), ["*"]);
    assert_eq!(traits("customer.traits.exists(t, t == 'x')"), ["*"]);
    assert_eq!(traits("size(customer.traits)"), ["*"]);
    assert_eq!(
        traits("customer.locale + customer.zone"),
        ["locale", "zone"]
    );
    assert_eq!(traits("local.hour"), ["zone"]);
    assert_eq!(traits("customer.id + event.name"), none);
}

#[test]
fn roots_are_told_apart() {
    let of = |source: &str| compile(source).dependencies().clone();
    assert_eq!(of("1 + 1"), Dependencies::default());
    assert_eq!(
        of("event.properties.x"),
        Dependencies {
            event: true,
            ..Dependencies::default()
        }
    );
    assert_eq!(
        of("has(entry.channel)"),
        Dependencies {
            entry: true,
            ..Dependencies::default()
        }
    );
    assert_eq!(
        of("[instance.step]"),
        Dependencies {
            instance: true,
            ..Dependencies::default()
        }
    );
    assert_eq!(
        of("{'a': vars.x}"),
        Dependencies {
            vars: true,
            ..Dependencies::default()
        }
    );
    assert_eq!(
        of("customer.lifecycle"),
        Dependencies {
            lifecycle: true,
            ..Dependencies::default()
        }
    );
    assert_eq!(
        of("now"),
        Dependencies {
            time: true,
            ..Dependencies::default()
        }
    );
    let journeys = of("journeys.active('a') + journeys.active('b')").journeys;
    let journeys: Vec<&str> = journeys.iter().map(|id| id.as_str()).collect();
    assert_eq!(journeys, ["a", "b"]);
    let mixed = of(
        "[1].map(x, vars.a + x)[0] == 1 ? -event.properties.b : (!(entry.name in ['a']) ? 1 : 2)",
    );
    assert!(mixed.vars && mixed.event && mixed.entry);
}

#[test]
fn history_calls_become_aggregates() {
    let expression = compile(
        "history.count('a', '7d') > history.count('a', '30d') && history.absent('a') && history.last('a') != null \
         && history.count('b', '1d', 'event.properties.x > 1') > 0 && history.sum('b', 'x') > 1",
    );
    let needs = expression.aggregates();
    let labels: Vec<&str> = needs.iter().map(|need| need.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "count(a)",
            "count(b where event.properties.x>1)",
            "sum(b, x)"
        ]
    );
    assert_eq!(needs[0].window, Some(TimeSpan::from_days(30)));
    assert_eq!(needs[1].window, Some(TimeSpan::from_days(1)));
    let filter = needs[1].filter.as_ref().expect("the call has a filter");
    assert_eq!(filter.source(), "event.properties.x > 1");
    assert_eq!(
        (needs[2].property.as_deref(), needs[2].window),
        (Some("x"), None)
    );
    let dependencies = expression.dependencies();
    let ids: BTreeSet<AggregateId> = needs.iter().map(|need| need.id).collect();
    assert_eq!(dependencies.aggregates, ids);
    assert!(dependencies.windowed);
    assert!(!compile("history.count('a') > 1").dependencies().windowed);
    assert!(!dependencies.event, "a filter is about the counted event");
}

/// Customers' stored counts carry these ids: a change here loses them.
#[test]
fn aggregate_ids_are_golden() {
    let id = |source: &str| compile(source).aggregates()[0].id.get();
    assert_eq!(id("history.count('purchase')"), 13_556_369_508_820_153_186);
    assert_eq!(
        id("history.sum('purchase', 'value', '30d')"),
        3_512_026_727_984_248_048
    );
    assert_eq!(
        id("history.last('purchase', 'event.properties.value > 10')"),
        10_945_561_261_125_702_178
    );
    let spellings = [
        "history.count('purchase', '1d', 'event.properties.value>10')",
        "history.count('purchase', '9d', ' event.properties.value  > 10 // big')",
    ];
    for spelling in spellings {
        assert_eq!(
            id(spelling),
            id("history.last('purchase', 'event.properties.value > 10')")
        );
    }
    assert_ne!(
        id("history.first('a', 'event.name == \"a  b\"')"),
        id("history.first('a', 'event.name == \"a b\"')")
    );
    assert_eq!(
        id("history.sum('a', 'event.properties.x')"),
        id("history.sum('a', 'x')")
    );
}
