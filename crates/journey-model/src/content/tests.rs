//! Content at publish and at rendering.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use journey_types::{Channel, ContentId, ContentVersion, Value};

use super::{Content, ContentSite, Rendered, Variant};
use crate::expression::EvaluationError;
use crate::expression::fixture::Fixture;

fn channel(name: &str) -> Channel {
    Channel::new(name).expect("a valid channel")
}

fn compile(
    on: &str,
    fields: &[(&str, &str)],
    site: &ContentSite<'_>,
) -> Result<Content, Vec<super::ContentProblem>> {
    let fields = fields
        .iter()
        .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()));
    let variant = Variant {
        locale: None,
        fields: fields.collect(),
    };
    Content::compile(
        ContentId::new("hello").expect("a valid id"),
        ContentVersion::new(1),
        BTreeMap::from([(channel(on), vec![variant])]),
        site,
    )
}

fn render(on: &str, fields: &[(&str, &str)]) -> Result<Rendered, EvaluationError> {
    match compile(on, fields, &ContentSite::default()) {
        Ok(content) => content.render(&channel(on), &Fixture::new().scope()),
        Err(problems) => panic!("{fields:?} does not compile: {problems:?}"),
    }
}

/// The body on `sms`, or the reason why there is none.
fn body(source: &str) -> String {
    match render("sms", &[("body", source)]) {
        Ok(mut rendered) => rendered.remove("body").expect("the field was rendered"),
        Err(error) => format!("error: {error}"),
    }
}

/// `line: underlined: message => suggestion`, a problem a line.
fn told_at(source: &str, site: &ContentSite<'_>) -> String {
    let mut told = String::new();
    let problems = compile("sms", &[("body", source)], site);
    for problem in problems.err().unwrap_or_default() {
        let at = &source[problem.range.clone()];
        let line = problem.line;
        write!(told, "{line}: {at}: {}", problem.message).expect("text takes writes");
        if let Some(suggestion) = problem.suggestion {
            write!(told, " => {suggestion}").expect("text takes writes");
        }
        told.push('\n');
    }
    told
}

fn told(source: &str) -> String {
    told_at(source, &ContentSite::default())
}

#[test]
fn templates_see_the_customer_and_the_instance() {
    let table = [
        (
            "Hello {{ customer.traits.first_name | default('there') }}",
            "Hello Ada",
        ),
        (
            "Hello {{ customer.traits.nickname | default('there') }}!",
            "Hello there!",
        ),
        (
            "{{ customer.id }} {{ customer.locale }} {{ customer.zone }} {{ customer.lifecycle }}",
            "c-1 en-GB Europe/Berlin loyal",
        ),
        ("{{ customer['traits']['first_name'] }}", "Ada"),
        (
            "{{ entry.properties.plan | upper }} {{ entry.name }}",
            "GOLD signed_up",
        ),
        (
            "{{ instance.step }} {{ instance.entered_at }}",
            "wait 2026-01-02T09:30:15Z",
        ),
        ("{{ vars.tries + 1 }}", "2"),
        (
            "{{ local.hour }}:{{ local.minute }} {{ local.weekday }} {{ local.date }}",
            "10:30 1 2026-01-05",
        ),
        ("{{ now }}", "2026-01-05T09:30:15Z"),
        (
            "{% if customer.traits.age >= 18 and local.hour > 3 %}adult{% else %}young{% endif %}",
            "adult",
        ),
        (
            "{% if customer.traits.x is defined %}x{% elif customer.lifecycle is not none %}y{% endif %}",
            "y",
        ),
        (
            "{% for name, value in customer.traits | sort %}{% endfor %}{{ customer.traits | length }}",
            "error: content",
        ),
        (
            "{% for name in customer.traits %}{{ name }} {% endfor %}",
            "age first_name locale zone ",
        ),
        (
            "{{ ['a', 'b'] | join('-') }} {{ 'aba' | replace('a', 'c') }}",
            "a-b cbc",
        ),
        (
            "{# a note {{ nothing }} #}{{ 'it''s' if false else '}}' }}",
            "}}",
        ),
        (
            "no tags at all, { nor } braces",
            "no tags at all, { nor } braces",
        ),
    ];
    for (source, wanted) in table {
        let rendered = body(source);
        let fits = if wanted.starts_with("error") {
            rendered.starts_with(wanted)
        } else {
            rendered == wanted
        };
        assert!(fits, "{source}\n  gave   {rendered}\n  wanted {wanted}");
    }
}

#[test]
fn what_is_not_there_fails_the_message_and_says_where() {
    assert_eq!(
        body("Hello\n{{ customer.traits.nickname }}"),
        "error: content `hello`, sms `body`, line 2: `customer.traits.nickname` is undefined"
    );
    assert_eq!(
        body("{{ entry.device }}"),
        "error: content `hello`, sms `body`, line 1: `entry.device` is undefined"
    );
    assert_eq!(body("{{ instance.key | default('none') }}"), "none");
    let content = compile("sms", &[("body", "x")], &ContentSite::default()).expect("it compiles");
    let error = content.render(&channel("email"), &Fixture::new().scope());
    let error = error.expect_err("there is no such variant");
    assert_eq!(error.reason, "content `hello` has no variant for `email`");
}

#[test]
fn values_are_escaped_where_the_field_is_html() {
    let source = "{{ '<b>' }} {{ '<i>' | safe }}";
    let of = |on: &str, field: &str| {
        let mut rendered = render(on, &[(field, source)]).expect("it renders");
        rendered.remove(field).expect("the field was rendered")
    };
    assert_eq!(of("email", "body"), "&lt;b&gt; <i>");
    assert_eq!(of("web", "html"), "&lt;b&gt; <i>");
    assert_eq!(of("email", "subject"), "<b> <i>");
    assert_eq!(of("push", "body"), "<b> <i>");
}

#[test]
fn unknown_variables_fail_at_publish_with_a_suggestion() {
    let table = [
        (
            "Hi\n {{ custmer.x }}",
            "2: custmer: unknown variable `custmer`: there are `customer`, `entry`, `input`, `instance`, `vars`, `local` or `now` => customer\n",
        ),
        (
            "{{ customer.first_name }}",
            "1: first_name: `customer` has no field `first_name`: it has `id`, `traits`, `locale`, `zone` or `lifecycle` => traits.first_name\n",
        ),
        (
            "{{ customer.trait.x }}",
            "1: trait: `customer` has no field `trait`: it has `id`, `traits`, `locale`, `zone` or `lifecycle` => traits\n",
        ),
        (
            "{{ entry.plan }}",
            "1: plan: `entry` has no field `plan`: it has `name`, `id`, `source`, `customer_id`, `occurred_at`, `channel`, `device` or `properties` => properties.plan\n",
        ),
        (
            "{{ event.name }}",
            "1: event: there is no event at hand when a message is granted: `entry` is the entering event => entry\n",
        ),
        (
            "{{ emotion.valence }}",
            "1: emotion: `emotion` is not available yet\n",
        ),
        (
            "{{ customer.segments }}",
            "1: segments: `customer.segments` is not available yet\n",
        ),
        (
            "{{ history }}",
            "1: history: `history` is not available in content: write what you need into `vars` with an `update` step\n",
        ),
        (
            "{{ now.year }}",
            "1: year: `now` has no field `year`: it is a time\n",
        ),
        (
            "{% for item in vars.items %}{{ item.name }}{% endfor %}",
            "",
        ),
        (
            "{{ a }} {{ b }}",
            "1: a: unknown variable `a`: there are `customer`, `entry`, `input`, `instance`, `vars`, `local` or `now`\n1: b: unknown variable `b`: there are `customer`, `entry`, `input`, `instance`, `vars`, `local` or `now`\n",
        ),
    ];
    for (source, wanted) in table {
        assert_eq!(told(source), wanted, "{source}");
    }
    let traits = BTreeSet::from(["first_name".to_owned()]);
    let site = ContentSite {
        traits: Some(&traits),
    };
    let declared = told_at("{{ customer.traits.firstname }}", &site);
    assert_eq!(
        declared,
        "1: firstname: the schema declares no `firstname` for a customer => first_name\n"
    );
    assert_eq!(told_at("{{ customer.traits.first_name }}", &site), "");
}

#[test]
fn a_document_places_the_problems_of_its_templates_in_the_file() {
    let yaml = "content: hello\nvariants:\n  - channel: email\n    subject: \"Dear {{ custmer.id }}\"\n    body: |\n      Hello,\n      {{ customer.first_name | uper }}\n";
    let sources = [crate::Source::new("a.yaml", yaml)];
    let report = crate::check(&sources, &crate::Catalog::default());
    assert!(!report.is_publishable());
    let rendered = report.render();
    for piece in [
        " --> a.yaml:4:23\n",
        "did you mean `customer`?",
        " --> a.yaml:7:19\n",
        "did you mean `traits.first_name`?",
        " --> a.yaml:7:32\n",
        "did you mean `upper`?",
    ] {
        assert!(rendered.contains(piece), "{piece}\n{rendered}");
    }
}

#[test]
fn what_content_cannot_do_is_refused_by_name() {
    let table = [
        (
            "{{ customer.id | uper }}",
            "uper: unknown filter `uper`",
            "=> upper",
        ),
        (
            "{% if vars.x is definde %}{% endif %}",
            "definde: unknown test `definde`",
            "=> defined",
        ),
        (
            "{% include 'x' %}",
            "include: the statement `include` is not available",
            "",
        ),
        (
            "{%- set a = 1 -%}",
            "set: the statement `set` is not available",
            "",
        ),
        ("{% macro f() %}{% endmacro %}", "macro: the statement", ""),
        (
            "{{ range(9) }}",
            "range: `range(…)`: nothing can be called",
            "",
        ),
        (
            "{{ customer.id.upper() }}",
            "upper: `upper(…)`",
            "value | upper",
        ),
        ("{{ 'a' * 1000000 }}", "*: `*` is not available", ""),
        (
            "{% for a in [vars.x ~ vars.x] %}{% endfor %}",
            "~: `~` is not available in a `for`",
            "",
        ),
        (
            "{% for a in vars.x recursive %}{% endfor %}",
            "recursive: a `for` cannot be recursive",
            "",
        ),
        ("line\n{% if x %}", "2: ", "not a template: "),
        ("{{ customer.id", "1: ", "not a template: "),
        ("{{ 1 + }}", "1: ", "not a template: "),
    ];
    for (source, wanted, also) in table {
        let told = told(source);
        assert!(
            told.contains(wanted) && told.contains(also),
            "{source}\n{told}"
        );
    }
    let long_tag = format!("{{{{ '{}' }}}}", "x".repeat(1_100));
    assert!(told(&long_tag).contains("a tag may have at most 1024 bytes"));
    assert!(told(&"x".repeat(70_000)).contains("at most 65536 are allowed"));
    let fields: Vec<(String, &str)> = (0..17).map(|idx| (format!("f{idx}"), "x")).collect();
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, text)| (name.as_str(), *text))
        .collect();
    let problems = compile("sms", &fields, &ContentSite::default()).expect_err("too many");
    assert_eq!(
        problems[0].message,
        "a variant has at most 16 fields, this one has 17"
    );
}

#[test]
fn rendering_cannot_run_away() {
    let mut fixture = Fixture::new();
    let numbers = (0..2_000).map(Value::Int).collect();
    fixture
        .traits
        .insert("numbers".to_owned(), Value::List(numbers));
    fixture
        .traits
        .insert("long".to_owned(), Value::text("x".repeat(20_000)));
    let reason = |source: &str| {
        let content = compile("sms", &[("body", source)], &ContentSite::default());
        let content = content.unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
        match content.render(&channel("sms"), &fixture.scope()) {
            Ok(rendered) => format!("{} bytes", rendered["body"].len()),
            Err(error) => error.reason,
        }
    };
    let walked = "{% for a in customer.traits.numbers %}{% for b in customer.traits.numbers %}{% endfor %}{% endfor %}";
    assert!(reason(walked).contains("fuel"), "{}", reason(walked));
    let repeated = "{{ customer.traits.long }}".repeat(4);
    assert_eq!(
        reason(&repeated),
        "content `hello`, sms `body`: more than 65536 bytes"
    );
    let replaced = "{{ customer.traits.long | replace('x', customer.traits.long) }}";
    assert!(reason(replaced).contains("a filter made more than 65536 bytes"));
    let joined = "{{ customer.traits.numbers | join(customer.traits.long) }}";
    assert!(reason(joined).contains("a filter made more than 65536 bytes"));
    assert_eq!(reason("{{ customer.traits.long }}"), "20000 bytes");
}

#[test]
fn hostile_templates_end_without_a_panic() {
    let hostile = [
        "{{".repeat(2_000),
        "{% if ".repeat(2_000),
        "{{ ".to_owned() + &"(".repeat(900) + " }}",
        "{{ ".to_owned() + &"[".repeat(900) + " }}",
        "{{ ".to_owned() + &"not ".repeat(200) + "1 }}",
        "{{ ".to_owned() + &"-".repeat(900) + "1 }}",
        "{% if 1 %}".repeat(500) + &"{% endif %}".repeat(500),
        "{% for x in vars.x %}".repeat(500) + &"{% endfor %}".repeat(500),
        "{{ {'a': {'b': 1}} }}".to_owned(),
        "{{ '\\'}}' }}{{ \"".to_owned(),
        "{#".to_owned(),
        "\u{1F600}{{ vars.\u{1F600} }}".to_owned(),
        "{{ vars.x[1:2:0] }}".to_owned(),
        "{{ 9223372036854775807 + 9223372036854775807 ** 99 // 0 }}".to_owned(),
    ];
    for source in hostile {
        let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let rendered = thread
            .spawn(move || {
                let content = compile("sms", &[("body", &source)], &ContentSite::default());
                content.map(|content| {
                    content
                        .render(&channel("sms"), &Fixture::new().scope())
                        .is_ok()
                })
            })
            .expect("a thread starts")
            .join();
        assert!(rendered.is_ok(), "a template panicked");
    }
}

/// What `check` takes for a guard is one: such templates are rendered without an entering event and without an input.
#[test]
fn templates_that_need_no_entry_are_rendered_without_one() {
    let fixture = Fixture::new();
    let scope = crate::scope::Scope {
        entry: None,
        input: None,
        ..fixture.scope()
    };
    for (source, needs, expected) in [
        (
            "{% if entry is defined %}{{ entry.id }}{% else %}none{% endif %}",
            false,
            Ok("none"),
        ),
        ("{{ entry.id | default('none') }}", true, Err("undefined")),
        ("{{ input.x | default('none') }}", false, Ok("none")),
        ("{{ input.x | d('none') }}", false, Ok("none")),
        ("{{ input.x.y | default('none') }}", true, Err("undefined")),
        (
            "{% if input.x is defined %}{{ input.x.y }}{% endif %}",
            false,
            Ok(""),
        ),
        (
            "{% for name in input %}{{ name }}{% endfor %}",
            false,
            Ok(""),
        ),
        ("{{ input.x }}", true, Err("undefined")),
    ] {
        let content = compile("sms", &[("body", source)], &ContentSite::default()).unwrap();
        let told = content.needs()[&channel("sms")];
        assert_eq!(told.entry || told.input, needs, "{source}");
        let rendered = content.render(&channel("sms"), &scope);
        match (rendered, expected) {
            (Ok(rendered), Ok(expected)) => assert_eq!(rendered["body"], expected, "{source}"),
            (Err(error), Err(expected)) => assert!(error.reason.contains(expected), "{error}"),
            (rendered, _) => panic!("{source}: {rendered:?}"),
        }
    }
}
