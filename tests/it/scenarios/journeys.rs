//! The journeys of the seven scenarios, all published together; each scenario has event names and customers of its own.

/// Every unit of a duration, with its length in milliseconds.
pub(super) const UNITS: &[(&str, i64)] = &[
    ("45s", 45_000),
    ("30m", 30 * 60_000),
    ("1.5h", 90 * 60_000),
    ("2d", 2 * 86_400_000),
    ("1w", 7 * 86_400_000),
];

const JOURNEYS: &str = r#"
journey: wait_briefly
entry: [ { event: waits_briefly } ]
steps:
  wait:
    wait_until:
      - { when: customer.traits.?verified.orValue(false), next: welcome }
      - { after: 1s, next: remind }
  welcome: { message: { content: welcome, channels: [push] } }
  remind: { message: { content: remind, channels: [push] } }
---
journey: wait_long
entry: [ { event: waits_long } ]
steps:
  wait:
    wait_until:
      - { when: customer.traits.?verified.orValue(false), next: welcome }
      - { after: 1h, next: remind }
  welcome: { message: { content: welcome, channels: [push] } }
  remind: { message: { content: remind, channels: [push] } }
---
journey: appointment
entry: [ { event: appointment_booked } ]
key: event.properties.appointment
steps:
  wait:
    wait_until:
      - { event: appointment_cancelled, match_key: true, next: cancelled }
      - { at: timestamp(entry.properties.day) - span("1d"), next: reminder }
  reminder: { message: { content: reminder, channels: [push] } }
  cancelled: { message: { content: cancellation, channels: [push] } }
---
journey: keyed
entry: [ { event: contract_signed } ]
key: event.properties.contract
steps:
  note: { message: { content: note, channels: [push] }, next: rest }
  rest: { delay: 1h }
---
journey: morning
zone: Europe/London
entry: [ { event: sleeps } ]
steps:
  wait: { delay: { until_local: "09:00", zone: customer } }
---
journey: office_hours
zone: Europe/London
entry: [ { event: sleeps } ]
steps:
  wait: { delay: { for: 180d, window: { zone: customer, hours: "09:00-18:00" } } }
---
journey: always
entry: [ { event: comes_back } ]
reentry: { again: always }
steps:
  greet: { message: { content: hello_again, channels: [push] } }
---
journey: never
entry: [ { event: comes_back } ]
reentry: { again: never }
steps:
  greet: { message: { content: hello_once, channels: [push] } }
---
journey: past_date
entry: [ { event: was_booked } ]
steps:
  wait: { delay: { until: timestamp(entry.properties.day), offset: -1d }, next: late }
  late: { message: { content: late, channels: [push] } }
---
journey: branches
entry: [ { event: chooses } ]
steps:
  choose:
    split:
      - { when: customer.traits.?plan.orValue('') == 'gold' && customer.traits.?age.orValue(0) >= 18, next: gold }
      - { when: "history.count('purchase', '30d', 'event.properties.sku == \"hat\"') > 0", next: hat }
      - { else: other }
  gold: { update: { traits.way: "'gold'" } }
  hat: { update: { traits.way: "'hat'" } }
  other: { only_if: false, update: { traits.way: "'other'" } }
"#;

const CONTENTS: &[(&str, &str)] = &[
    ("welcome", "welcome"),
    ("remind", "remind"),
    ("reminder", "{{ instance.key }}"),
    ("cancellation", "{{ instance.key }}"),
    ("note", "{{ instance.key }}"),
    ("hello_again", "again"),
    ("hello_once", "once"),
    ("late", "late"),
];

/// Every document, as one file.
pub(super) fn yaml() -> String {
    let mut yaml = JOURNEYS.to_owned();
    for (number, (unit, _)) in UNITS.iter().enumerate() {
        yaml.push_str(&format!(
            "---\njourney: unit_{number}\nentry: [ {{ event: takes_its_time }} ]\nsteps:\n  wait: {{ delay: {unit} }}\n"
        ));
    }
    for (content, body) in CONTENTS {
        yaml.push_str(&format!(
            "---\ncontent: {content}\nvariants: [ {{ channel: push, body: '{body}' }} ]\n"
        ));
    }
    yaml
}
