//! Channels: which one a message takes.

use journey_types::Value;

use super::{Draft, Intent, Round};

/// The preferred channel first if it is listed, then listed order; without those the content has no variant for, and
/// those that failed for good for this intent.
pub(super) fn is_available(
    round: &Round<'_>,
    intent: &Intent<'_>,
    draft: &mut Draft,
) -> Result<(), &'static str> {
    let preferred = round.state.traits.get("preferred_channel");
    let preferred = preferred.and_then(Value::as_text);
    // Stable: the others stay in listed order.
    draft
        .channels
        .sort_by_key(|channel| preferred != Some(channel.as_str()));
    let content = round.catalog.contents.get(&intent.message.content);
    draft.channels.retain(|channel| {
        let has_variant = content.is_some_and(|content| content.variants.contains_key(channel));
        has_variant && !intent.failed_channels.contains(channel)
    });
    let Some(chosen) = draft.channels.first() else {
        return Err("unreachable");
    };
    let how = if preferred == Some(chosen.as_str()) {
        "preferred"
    } else {
        "first available"
    };
    draft.why.push(format!("channel {chosen} is {how}"));
    if !intent.failed_channels.is_empty() {
        let failed = intent.failed_channels.iter();
        let failed: Vec<&str> = failed.map(journey_types::Channel::as_str).collect();
        draft
            .why
            .push(format!("after {} failed", failed.join(", ")));
    }
    Ok(())
}
