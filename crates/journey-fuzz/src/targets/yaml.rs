//! Documents as authors write them.

use journey_model::{Catalog, Source, check};

use crate::target::{Target, outcome_of, shape_of};

/// A file with one or more documents.
#[derive(Debug)]
pub(crate) struct Yaml;

const SEEDS: &[&str] = &[
    "journey: welcome\nentry: [ { event: signed_up, where: event.properties.plan == 'pro' } ]\nkey: event.id\nreentry: { concurrent: 1, on_conflict: restart }\nexit:\n  - { event: left, match_key: true, reason: left }\ngoals: [ { id: bought, event: purchase, exit: true } ]\nsteps:\n  hi: { message: { content: hello, channels: [push, email] }, next: rest }\n  rest: { delay: 2d, next: again }\n  again: { wait_until: [ { event: purchase, next: end }, { after: 7d, next: pick } ] }\n  pick: { split: [ { when: customer.traits.tier == 'gold', next: note } ], else: end }\n  note: { update: { traits: { seen: 'true' } }, next: tell }\n  tell: { emit: { event: seen }, next: end }\n",
    "content: hello\nvariants:\n  - { channel: push, body: 'Hi {{ customer.traits.name }}' }\n  - { channel: email, subject: s, body: '{% if vars.x %}a{% else %}b{% endif %}' }\n",
    "schema: purchase\nproperties:\n  total: { type: number, required: true }\n  items: { type: list }\n",
    "map: shop\nformat: { delimiter: ',', columns: [a, b, c] }\nevent:\n  name: purchase\n  customer_id: '{a}'\n  id: '{a}-{b}'\n  occurred_at: { column: b, format: '%Y%m%d' }\n",
    "a: &x [1, 2]\nb: *x\n---\n- !tag {c: |\n  text\n  more}\n",
];
const DICTIONARY: &[&str] = &[
    "journey: ",
    "content: ",
    "schema: ",
    "map: ",
    "entry: ",
    "steps:\n",
    "key: ",
    "reentry: ",
    "exit: ",
    "goals: ",
    "delay: ",
    "wait_until: ",
    "split: ",
    "update: ",
    "emit: ",
    "message: ",
    "end",
    "next: ",
    "event: ",
    "where: ",
    "when: ",
    "only_if: ",
    "on_error: ",
    "timeout: ",
    "match_key: true",
    "call: ",
    "task: ",
    "api: ",
    "channels: [",
    "variants:\n",
    "{{ ",
    " }}",
    "{% for x in y %}",
    "{% endfor %}",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "---\n",
    "...\n",
    "? ",
    "- ",
    ": ",
    "\n  ",
    "\n",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "#",
    "%YAML 9.9\n",
    "99999999999d",
    "0s",
    "-1d",
    "P1D",
    "~",
    "\u{feff}",
    "\t",
    "<<: *a",
];

impl Target for Yaml {
    fn name(&self) -> &'static str {
        "yaml"
    }

    fn about(&self) -> &'static str {
        "files of documents, through `check`"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        DICTIONARY
    }

    fn run(&self, input: &[u8]) -> u64 {
        let text = String::from_utf8_lossy(input).into_owned();
        let report = check(&[Source::new("fuzz.yaml", text)], &Catalog::default());
        let rendered = report.render();
        assert!(
            report.is_publishable() || !rendered.is_empty(),
            "a refusal without a reason"
        );
        let shapes = report.diagnostics.iter();
        let shapes: Vec<String> = shapes.take(6).map(|one| shape_of(&one.message)).collect();
        outcome_of(&(report.documents.len(), shapes))
    }
}
