//! Messages from intent to outcome.

use insta::assert_snapshot;

use super::run;

const CONTENT: &str = r#"
---
content: note
variants:
  - { channel: push, body: "Hi {{ entry.properties.who }}" }
  - { channel: email, subject: "Hi", body: "Hi {{ entry.properties.who }}, {{ vars.x | default('no x') }}" }
"#;

fn one_message(message: &str, script: &str) -> String {
    let yaml = format!(
        r"
journey: one
entry: [{{ event: start }}]
reentry: {{ concurrent: 9 }}
steps:
  say: {{ message: {message}, refused: refused, on_error: failed, next: after }}
  after: {{ update: {{ traits.said: true }} }}
  failed: {{ update: {{ traits.failed: true }} }}
  refused: {{ update: {{ traits.refused: true }} }}
{CONTENT}"
    );
    run(&yaml, script)
}

#[test]
fn a_message_is_granted_claimed_and_settled_once() {
    let script = "
        event start who=Anna
        claim
        claim
        ack
        ack
        claim";
    assert_snapshot!(one_message("{ content: note, channels: [push, email] }", script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 say -> after
    01-05 09:00 trait said = true
    01-05 09:00 #1 after -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 -- rejected: the effect cannot be claimed: it is claimed by another worker
    01-05 09:00 effect 4 attempt 1 sent
    01-05 09:00 -- settled before
    01-05 09:00 -- rejected: the effect cannot be claimed: it is gone
    "#);
}

#[test]
fn the_preferred_channel_comes_first_if_it_is_listed() {
    let script = "
        event identify preferred_channel=email
        event start who=Anna
        event identify preferred_channel=sms
        event start who=Anna";
    assert_snapshot!(one_message("{ content: note, channels: [push, email] }", script), @r#"
    01-05 09:00 event identify preferred_channel="email"
    01-05 09:00 trait preferred_channel = "email"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on email: purpose service; channel email is preferred
    01-05 09:00 #1 say -> after
    01-05 09:00 trait said = true
    01-05 09:00 #1 after -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 event identify preferred_channel="sms"
    01-05 09:00 trait preferred_channel = "sms"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #2 entered one v1 at say
    01-05 09:00 #2 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #2 say -> after
    01-05 09:00 #2 after -> end
    01-05 09:00 #2 ended: completed
    "#);
}

#[test]
fn after_a_permanent_failure_the_next_channel_is_a_new_effect_even_when_the_instance_has_ended() {
    let script = "event start who=Anna \n claim \n fail \n claim \n fail \n fail";
    assert_snapshot!(one_message("{ content: note, channels: [push, email] }", script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 say -> after
    01-05 09:00 trait said = true
    01-05 09:00 #1 after -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for good: no such address
    01-05 09:00 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:00 effect 11 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 11 attempt 1 failed for good: no such address
    01-05 09:00 event message_failed channels=["push","email"] content="note" journey="one" reason="no such address" step="say" version=1 (raised by #1)
    01-05 09:00 -- settled before
    "#);
}

#[test]
fn a_step_that_awaits_fails_after_the_last_channel() {
    let message = "{ content: note, channels: [push, email], await: sent }";
    let script = "event start who=Anna \n claim \n fail \n claim \n fail";
    assert_snapshot!(one_message(message, script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for good: no such address
    01-05 09:00 #1 message note granted on email: purpose service; channel email is first available; after push failed
    01-05 09:00 #1 rests: awaits effect 8
    01-05 09:00 effect 8 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 8 attempt 1 failed for good: no such address
    01-05 09:00 #1 say -> failed (failed: no such address)
    01-05 09:00 event message_failed channels=["push","email"] content="note" journey="one" reason="no such address" step="say" version=1 (raised by #1)
    01-05 09:00 trait failed = true
    01-05 09:00 #1 failed -> end
    01-05 09:00 #1 ended: completed
    "#);
}

#[test]
fn a_step_that_awaits_sent_goes_on_with_the_word_of_the_channel() {
    let message = "{ content: note, channels: [push], await: sent }";
    let script = "event start who=Anna \n claim \n nack 5m \n claim \n advance 5m \n claim \n ack";
    assert_snapshot!(one_message(message, script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 failed for now, again at 2026-01-05T09:05:00Z: busy
    01-05 09:00 -- rejected: the effect cannot be claimed: it waits for its retry
    01-05 09:05 effect 4 claimed: attempt 2 until 2026-01-05T09:06:00Z
    01-05 09:05 effect 4 attempt 2 sent
    01-05 09:05 #1 say -> after
    01-05 09:05 trait said = true
    01-05 09:05 #1 after -> end
    01-05 09:05 #1 ended: completed
    "#);
}

#[test]
fn a_step_that_awaits_delivery_hears_of_it_after_the_row_is_gone() {
    let message = "{ content: note, channels: [push], await: delivered }";
    let script = "event start who=Anna \n claim \n ack \n advance 1h \n deliver \n deliver";
    assert_snapshot!(one_message(message, script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 sent
    01-05 10:00 effect 4 attempt 1 delivered
    01-05 10:00 #1 say -> after
    01-05 10:00 trait said = true
    01-05 10:00 #1 after -> end
    01-05 10:00 #1 ended: completed
    01-05 10:00 -- settled before
    "#);
}

#[test]
fn a_step_that_awaits_delivery_hears_of_it_by_a_customer_event() {
    let message = "{ content: note, channels: [push], await: delivered }";
    let script = "
        event start who=Anna
        claim
        ack
        event message_delivered effect_id=e1~00~1~default~anna~7~999~0
        event message_delivered effect_id=e1~00~1~default~anna~7~4~0";
    assert_snapshot!(one_message(message, script), @r#"
    01-05 09:00 event start who="Anna"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 rests: awaits effect 4
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 effect 4 attempt 1 sent
    01-05 09:00 event message_delivered effect_id="e1~00~1~default~anna~7~999~0"
    01-05 09:00 event message_delivered effect_id="e1~00~1~default~anna~7~4~0"
    01-05 09:00 #1 say -> after
    01-05 09:00 trait said = true
    01-05 09:00 #1 after -> end
    01-05 09:00 #1 ended: completed
    "#);
}

#[test]
fn a_message_that_cannot_be_rendered_fails_its_step() {
    let message = "{ content: note, channels: [push] }";
    assert_snapshot!(one_message(message, "event start"), @r"
    01-05 09:00 event start
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note refused: render_failed: content `note`, push `body`, line 1: `entry.properties.who` is undefined
    01-05 09:00 #1 say -> failed (failed: render_failed: content `note`, push `body`, line 1: `entry.properties.who` is undefined)
    01-05 09:00 trait failed = true
    01-05 09:00 #1 failed -> end
    01-05 09:00 #1 ended: completed
    ");
}

#[test]
fn effects_of_one_channel_are_handed_over_in_order_and_one_at_a_time() {
    let script = "
        event start who=A
        event start who=B
        claim
        claim
        ack
        claim
        advance 1m
        claim";
    assert_snapshot!(one_message("{ content: note, channels: [push] }", script), @r#"
    01-05 09:00 event start who="A"
    01-05 09:00 #1 entered one v1 at say
    01-05 09:00 #1 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #1 say -> after
    01-05 09:00 trait said = true
    01-05 09:00 #1 after -> end
    01-05 09:00 #1 ended: completed
    01-05 09:00 event start who="B"
    01-05 09:00 #2 entered one v1 at say
    01-05 09:00 #2 message note granted on push: purpose service; channel push is first available
    01-05 09:00 #2 say -> after
    01-05 09:00 #2 after -> end
    01-05 09:00 #2 ended: completed
    01-05 09:00 effect 4 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:00 -- rejected: the effect cannot be claimed: it is claimed by another worker
    01-05 09:00 effect 4 attempt 1 sent
    01-05 09:00 effect 11 claimed: attempt 1 until 2026-01-05T09:01:00Z
    01-05 09:01 effect 11 claimed: attempt 2 until 2026-01-05T09:02:00Z
    "#);
}

#[test]
fn a_late_word_of_an_earlier_attempt_counts_when_it_went_out_and_not_when_it_failed() {
    use crate::{Command, Outcome, Reply};
    use journey_types::Sequence;
    let yaml = format!(
        "
journey: one
entry: [{{ event: start }}]
steps:
  say: {{ message: {{ content: note, channels: [push] }} }}
{CONTENT}"
    );
    let mut world = super::script::World::new(&yaml);
    world.script("event start who=Anna \n claim \n advance 2m \n claim");
    let effect = Sequence::new(4);
    let settle = |attempt: u32, outcome: Outcome| Command::Settle {
        birth: world.state.birth,
        effect,
        attempt,
        outcome,
    };
    let reason = "no such address".to_owned();
    let failed = settle(1, Outcome::FailedForGood { reason });
    let never_claimed = settle(3, Outcome::Sent);
    let sent = settle(1, Outcome::Sent);
    assert_eq!(world.decide(&failed), Ok(Reply::Settled));
    assert_eq!(world.decide(&never_claimed), Ok(Reply::Settled));
    assert_eq!(world.decide(&sent), Ok(Reply::Recorded));
    assert!(world.state.outbox.is_empty());
}

#[test]
fn the_variant_of_the_customers_locale_is_sent_and_the_reason_recorded() {
    let yaml = r#"
journey: one
entry: [{ event: start }]
reentry: { concurrent: 9 }
steps:
  say: { message: { content: note, channels: [email, push] } }
---
content: note
variants:
  - { channel: email, locale: en, body: "Hello" }
  - { channel: email, locale: en-GB, body: "Good day" }
  - { channel: email, body: "Hallo" }
"#;
    let yaml = yaml.replace("[email, push]", "[email]");
    let mut world = super::script::World::new(&yaml);
    world.script("event start");
    for locale in ["en-GB", "en_us", "fr"] {
        world.script(&format!("event identify locale={locale} \n event start"));
    }
    let rendered = world.state.outbox.values().map(|row| {
        let message = row.message().unwrap();
        (message.locale.as_deref(), message.rendered["body"].as_str())
    });
    let rendered: Vec<(Option<&str>, &str)> = rendered.collect();
    let expected = [
        (None, "Hallo"),
        (Some("en-GB"), "Good day"),
        (Some("en"), "Hello"),
        (None, "Hallo"),
    ];
    assert_eq!(rendered, expected);
    let journal = world.journal();
    let granted = journal.lines().filter(|line| line.contains("granted"));
    assert_snapshot!(granted.collect::<Vec<_>>().join("\n"), @"
    01-05 09:00 #1 message note granted on email: purpose service; channel email is first available; locale is the variant for all other locales
    01-05 09:00 #2 message note granted on email: purpose service; channel email is first available; locale en-GB is the customer's locale
    01-05 09:00 #3 message note granted on email: purpose service; channel email is first available; locale en is the language of the customer's locale
    01-05 09:00 #4 message note granted on email: purpose service; channel email is first available; locale is the variant for all other locales
    ");
}
