//! What publish says about sources that are no good: the underlined text, the message, and what to write instead.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use journey_types::JourneyId;

use super::fixture::ANYWHERE;
use crate::expression::{Entrances, Expression, Position, Site};

/// One problem a line: `underlined: message => suggestion`.
fn told(source: &str, site: &Site<'_>) -> String {
    let mut told = String::new();
    let problems = Expression::compile(source, site).err().unwrap_or_default();
    for problem in problems {
        let at = &source[problem.range.clone()];
        write!(told, "{at}: {}", problem.message).expect("text takes writes");
        if let Some(suggestion) = problem.suggestion {
            write!(told, " => {suggestion}").expect("text takes writes");
        }
        told.push('\n');
    }
    told
}

/// Every wanted piece must be in what is told, one problem each.
#[track_caller]
fn tells_at(site: &Site<'_>, table: &[(&str, &[&str])]) {
    let mut differences = String::new();
    for (source, wanted) in table {
        let told = told(source, site);
        let is_told = told.lines().count() == wanted.len()
            && told
                .lines()
                .zip(wanted.iter())
                .all(|(line, piece)| line.contains(piece));
        if !is_told {
            write!(
                differences,
                "\n{source}\n  told   {told}  wanted {wanted:?}"
            )
            .expect("text takes writes");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[track_caller]
fn tells(table: &[(&str, &[&str])]) {
    tells_at(&ANYWHERE, table);
}

#[test]
fn unknown_names_come_with_what_was_meant() {
    tells(&[
        (
            "gold",
            &[
                "gold: unknown name `gold`: here are `event`, `entry`, `input`, `instance`, `vars`, `customer`, `history`, `journeys`, `now` or `local`; literal text is quoted => 'gold'",
            ],
        ),
        ("custmer.traits.x", &["=> customer"]),
        (
            "customer.traitz.x",
            &[
                "traitz: `customer` has no field `traitz`: it has `id`, `traits`, `locale`, `zone` or `lifecycle` => traits",
            ],
        ),
        ("customer.first_name == 'x'", &["=> traits.first_name"]),
        ("event.value > 3", &["value: `event` has no field `value`"]),
        ("event.value > 3", &["=> properties.value"]),
        ("event.propertys.value", &["=> properties"]),
        ("instance.stp", &["=> step"]),
        ("local.weekdy", &["=> weekday"]),
        ("[1].exists(item, itm == 1)", &["=> item"]),
        ("'Ü' +\n gold + silver.x", &["gold: ", "silver: "]),
        ("x.y.z", &["x: unknown name `x`"]),
        (".event.name", &["write `event` without the leading dot"]),
        ("event", &["name a field"]),
        ("event == entry", &["event: ", "entry: "]),
        ("now.foo", &["`now` is a time and has no fields"]),
        ("event.name.x", &["x: `event.name` has no fields"]),
        ("history", &["`history` is no value"]),
        ("history.count", &["`history.count` is a function"]),
        ("journeys", &["`journeys` is no value"]),
    ]);
}

#[test]
fn names_of_later_versions_are_refused_by_name() {
    tells(&[
        ("context.busy", &["`context` is not available yet"]),
        ("emotion.valence > 0.5", &["`emotion` is not available yet"]),
        ("struggle.score > 0.7", &["`struggle` is not available yet"]),
        ("intent == 'buy'", &["`intent` is not available yet"]),
        ("prediction.churn", &["`prediction` is not available yet"]),
        (
            "'x' in customer.segments",
            &["`customer.segments` is not available yet"],
        ),
        (
            "customer.interests.z",
            &["`customer.interests` is not available yet"],
        ),
        (
            "has(customer.consent.marketing)",
            &["`customer.consent` is not available yet"],
        ),
        ("[?event.?device]", &["not available yet"]),
    ]);
}

#[test]
fn each_position_says_why_a_name_cannot_be_used() {
    let at = |position, source: &str| told(source, &Site::at(position));
    assert_eq!(
        at(Position::WaitWhen, "now > event.occurred_at"),
        "now: `now` cannot be used here: a `when` is not woken by the clock: use `after` or `at`\n\
         event: `event` cannot be used here: a `when` is about the customer: for an event use `event: …` with `where`\n"
    );
    assert!(at(Position::ExitWhen, "local.hour > 3").contains("not woken by the clock"));
    assert!(at(Position::Instant, "event.occurred_at").contains("there is no event at hand here"));
    assert!(at(Position::Step, "event.name == 'x'").contains("`entry` is the entering event"));
    assert!(at(Position::Key, "customer.id").contains("sees `event` and `input` alone"));
    assert!(at(Position::MatchKey, "entry.properties.x").contains("sees `event` alone"));
    assert!(at(Position::HistoryFilter, "now").contains("sees `event` alone"));
    assert!(at(Position::EntryWhere, "vars.x").contains("no instance before the entry"));
    assert!(at(Position::EntryWhere, "entry.name == ''").contains("is named `event`"));
    let allowed = [
        (
            Position::EnrollWhere,
            "input.tier == 'gold' && history.count('a') > 0",
        ),
        (
            Position::Key,
            "has(input.id) ? input.id : event.properties.id",
        ),
        (
            Position::EntryWhere,
            "event.name == 'a' && history.count('a') > 0 && local.hour > 3",
        ),
        (Position::Key, "event.properties.meter_id"),
        (Position::MatchKey, "event.properties.meter_id"),
        (
            Position::WaitWhen,
            "vars.x > 1 && customer.traits.y && journeys.active('a') == 0",
        ),
        (
            Position::ExitWhen,
            "entry.properties.x == 1 && history.absent('a', '3d')",
        ),
        (
            Position::Instant,
            "timestamp(entry.properties.day) - span('1d')",
        ),
        (
            Position::Step,
            "instance.step == 'x' && now > instance.entered_at",
        ),
        (Position::HistoryFilter, "event.properties.x > 1"),
    ];
    for (position, source) in allowed {
        assert_eq!(at(position, source), "", "{source}");
    }
}

#[test]
fn what_an_instance_can_look_back_on_depends_on_the_ways_into_its_journey() {
    let at = |position, (event, api), source: &str| {
        let entrances = Entrances { event, api };
        told(
            source,
            &Site {
                entrances,
                ..Site::at(position)
            },
        )
    };
    let (by_event, by_api) = ((true, false), (false, true));
    let no_entry = at(Position::Step, by_event, "input.x");
    assert!(
        no_entry.contains("this journey has no entry `api: enroll`"),
        "{no_entry}"
    );
    assert!(at(Position::Step, by_api, "entry.id").contains("entered by enroll calls alone"));
    assert!(at(Position::Key, by_event, "input.x").contains("sees `event` alone"));
    assert!(at(Position::Key, by_api, "event.id").contains("sees `input` alone"));
    assert!(at(Position::Key, (true, true), "vars.x").contains("sees `event` and `input` alone"));
    assert!(at(Position::EntryWhere, by_api, "input.x").contains("an event brings no `input`"));
    assert!(at(Position::EnrollWhere, by_api, "event.id").contains("brings no event"));
    assert!(at(Position::EnrollWhere, by_api, "vars.x").contains("no instance before the entry"));
    for position in [
        Position::Step,
        Position::WaitWhen,
        Position::EventWhere,
        Position::Instant,
    ] {
        assert_eq!(at(position, by_api, "input.x == 1 && has(input.y)"), "");
    }
    assert_eq!(
        at(
            Position::EventWhere,
            by_api,
            "event.properties.x == input.x"
        ),
        ""
    );
}

/// (source, problems)
const WRONG_CALLS: &[(&str, &[&str])] = &[
    ("history.cuont('x')", &["=> count"]),
    (
        "history.count(purchase)",
        &[
            "purchase: the event name must be literal text: publish decides what is counted and watched => 'purchase'",
        ],
    ),
    (
        "history.count(event.name)",
        &["event.name: the event name must be literal text"],
    ),
    (
        "history.count('a', '5 parsecs', 'entry.x')",
        &[
            "'5 parsecs': `5 parsecs` has the unknown unit",
            "in the filter at `entry`",
        ],
    ),
    ("history.count('a', '0s')", &["longer than nothing"]),
    ("history.count('a', '523w')", &["at most 10 years"]),
    (
        "history.count('a', '1d', 'event.properties.x >')",
        &["in the filter: the expression ends too early"],
    ),
    (
        "history.count('a', '1d', 'evnt.properties.x')",
        &["in the filter at `evnt`: unknown name `evnt`: here are `event`; write `event`"],
    ),
    (
        "history.count()",
        &["history.count(name[, window[, filter]])"],
    ),
    (
        "history.sum('a')",
        &["history.sum(name, property[, window])"],
    ),
    (
        "history.sum('a', 3)",
        &["3: the property must be literal text"],
    ),
    ("history.sum('a', 'b..c')", &["a name or a path"]),
    ("history.count('')", &["event name is empty"]),
    ("journeys.active('Nope!')", &["is not of the form"]),
    ("journeys.activ('x')", &["=> active"]),
    ("journeys.state()", &["takes one journey id"]),
    (
        "duration('2d')",
        &[
            "duration: `duration` is not available: a span of time is written `span(\"2d\")` => span",
        ],
    ),
    ("span('5 parsecs')", &["'5 parsecs': "]),
    ("timestamp('today')", &["'today': `today` is no time"]),
    (
        "foo(gold, 1)",
        &["foo: unknown function `foo`", "gold: unknown name"],
    ),
    ("'a'.startWith('b')", &["=> startsWith"]),
    ("len(vars.x)", &["=> size"]),
    ("size()", &["it is called as `size(value)`"]),
    (
        "'a'.contains()",
        &["it is called as `value.contains(other)`"],
    ),
    ("now.getHours(1, 2)", &["time.getHours('Europe/London')"]),
    ("[1].exists(x)", &["items.exists(item, item > 1)"]),
    ("has(vars)", &["`has` takes one path"]),
    ("optional.some(1)", &["`optional.of(value)`"]),
    (
        "'a'.matches('(')",
        &["'(': the pattern does not compile: unclosed group"],
    ),
    ("'a'.matches(vars.pattern)", &["must be literal text"]),
    (
        "'a'.matches('(\\\\w{500}){500}')",
        &["the pattern does not compile"],
    ),
    ("{1: 2}", &["keys of a map are text"]),
    ("1u", &["=> 1"]),
    ("b'a'", &["no byte strings"]),
    ("Foo{a: 1}", &["no message type `Foo`"]),
];

#[test]
fn calls_with_wrong_arguments_say_how_they_are_made() {
    tells(WRONG_CALLS);
}

#[test]
fn slips_of_syntax_are_placed_and_explained() {
    tells(&[
        ("", &["the expression is empty"]),
        ("   ", &["=> ''"]),
        ("1 +", &["the expression ends too early"]),
        ("(1", &["the expression ends too early"]),
        ("'a", &["'a: the text has no closing quote"]),
        ("a = b", &["=: `=` is no operator of CEL: write `==` => =="]),
        (
            "event.name == 'x = y' and true",
            &["and: `and` is no operator of CEL: write `&&` => &&"],
        ),
        ("event.name === 'x'", &["===: "]),
        ("vars.a <> vars.b", &["<>: "]),
        ("not true", &["not: "]),
        (
            "hello world",
            &[
                "hello world: this is no expression; literal text is quoted inside the YAML text => 'hello world'",
            ],
        ),
        ("vars.x @ 1", &["@: `@` means nothing here", "1: "]),
        ("1 + + 2 &", &["+: ", "&: "]),
        ("vars.😀", &["😀: "]),
        ("if (true) 1", &["reserved identifier", "1: "]),
        ("99999999999999999999", &["does not fit an int"]),
    ]);
}

#[test]
fn limits_are_refused_with_their_reason() {
    let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    let terms = |n: usize, sign: &str| vec!["true"; n].join(sign);
    let long_text = format!("'{}'", "x".repeat(4_094));
    tells(&[
        (&nested(60), &["nests deeper than 48 levels"]),
        (&nested(2_000), &["nests deeper than 48 levels"]),
        (&vec!["1"; 100].join("+"), &["nests deeper than 64 levels"]),
        (
            &vec!["1"; 2_000].join("+"),
            &["nests deeper than 64 levels"],
        ),
        (&terms(300, "||"), &["more than 500 nodes"]),
        (&terms(1_000, "||"), &["at most 4096 are allowed"]),
        (&long_text, &[]),
        (&format!("{long_text} "), &["has 4097 bytes"]),
        (
            "[1].map(x, [2].map(y, [3].map(z, z)))",
            &["map: comprehensions nest at most 2 deep"],
        ),
        ("[[1]].map(x, x.filter(y, y > 1)).filter(z, true)", &[]),
        (&nested(40), &[]),
        (&terms(200, "||"), &[]),
    ]);
}

#[test]
fn what_is_known_of_the_site_is_checked() {
    let journeys = BTreeSet::from([JourneyId::new("welcome").expect("a valid id")]);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let event_properties: BTreeSet<String> = names(&["value", "quantity"]);
    let traits: BTreeSet<String> = names(&["first_name"]);
    let site = Site {
        journeys: Some(&journeys),
        event_properties: Some(&event_properties),
        traits: Some(&traits),
        ..ANYWHERE
    };
    tells_at(
        &site,
        &[
            ("journeys.active('welcome') > 0", &[]),
            (
                "journeys.active('welcom') > 0",
                &[
                    "'welcom': there is no journey `welcom`, neither published nor in these files => 'welcome'",
                ],
            ),
            (
                "event.properties.value > 1 && customer.traits.first_name != ''",
                &[],
            ),
            (
                "event.properties.valeu > 1",
                &["valeu: the schema declares no `valeu` for this event => value"],
            ),
            ("has(event.properties.valeu)", &["=> value"]),
            ("event.properties.?valeu.orValue(0) > 1", &["=> value"]),
            (
                "customer.traits.firstname == ''",
                &["for a customer => first_name"],
            ),
            ("entry.properties.anything", &[]),
            ("quantity > 1", &["=> event.properties.quantity"]),
            // The filter is about another event.
            (
                "history.count('other', '1d', 'event.properties.else > 1') > 0",
                &[],
            ),
        ],
    );
}
