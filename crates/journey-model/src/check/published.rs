//! What a new version of a content takes away from journeys that are published already, or asks of their instances.

use std::collections::BTreeSet;
use std::ops::Range;

use journey_types::{Channel, JourneyId};

use super::{File, Part};
use crate::catalog::Catalog;
use crate::content::{Content, lacks};
use crate::document::Document;
use crate::plan::{Plan, StepKind};

/// Reports channels that published journeys send on and that a new version of their content no longer has. Running
/// instances use the newest content, whatever their own version.
pub(super) fn refuse_lost_channels(files: &mut [File<'_>], published: &Catalog) {
    let replaced: BTreeSet<JourneyId> = files.iter().flat_map(File::journey_ids).collect();
    for file in files {
        for (span, content) in contents_of(&file.parts) {
            for (journey, plan, is_newest) in plans_of(published) {
                let lost = lost_channels(plan, content);
                if lost.is_empty() {
                    continue;
                }
                let message = format!(
                    "`{journey}` version {} sends this content on {}, which it has no longer",
                    plan.version,
                    list(&lost)
                );
                if is_newest && !replaced.contains(journey) {
                    let advice = "keep the variant, or publish the journey without the channel together with it";
                    file.problems.error(span.clone(), message, advice);
                } else {
                    let advice = "instances that still run on that version skip the channel";
                    file.problems.warning(span.clone(), message, advice);
                }
            }
        }
    }
}

/// Reports what a new version of a content reads and instances of published journeys do not have.
pub(super) fn refuse_new_needs(files: &mut [File<'_>], published: &Catalog) {
    let replaced: BTreeSet<JourneyId> = files.iter().flat_map(File::journey_ids).collect();
    for file in files {
        for (span, content) in contents_of(&file.parts) {
            let needs = content.needs();
            // Where a journey is published anew, that version is held against this content itself.
            let plans = plans_of(published);
            for (journey, plan, is_newest) in
                plans.filter(|(journey, _, is_newest)| !is_newest || !replaced.contains(*journey))
            {
                let sent: BTreeSet<&Channel> = channels_of(plan, content).collect();
                let lacks = sent.into_iter().flat_map(|channel| {
                    let needs = needs.get(channel).copied().unwrap_or_default();
                    let lacks = lacks(needs, plan.entrances()).into_iter();
                    lacks.map(move |lack| (channel, lack))
                });
                for (channel, lack) in lacks {
                    let message = format!(
                        "`{journey}` version {} sends this content, and it reads {} on `{channel}`, {}",
                        plan.version, lack.what, lack.why
                    );
                    if lack.is_sure && is_newest {
                        file.problems.error(span.clone(), message, lack.advice);
                    } else {
                        file.problems.warning(span.clone(), message, lack.advice);
                    }
                }
            }
        }
    }
}

/// The contents of a file, each with where its id stands.
fn contents_of(parts: &[Part]) -> impl Iterator<Item = (&Range<usize>, &Content)> {
    parts.iter().filter_map(|part| match &part.document {
        Some(Document::Content(content)) => Some((&part.id_span, content)),
        Some(Document::Journey(_) | Document::Schema(_) | Document::Map(_)) | None => None,
    })
}

/// Every published version of every journey, and whether it is the newest.
fn plans_of(published: &Catalog) -> impl Iterator<Item = (&JourneyId, &Plan, bool)> {
    published.journeys.iter().flat_map(|(journey, versions)| {
        let plans = versions.versions.iter();
        plans.map(move |(version, plan)| (journey, &**plan, *version == versions.newest))
    })
}

fn lost_channels<'p>(plan: &'p Plan, content: &Content) -> BTreeSet<&'p Channel> {
    channels_of(plan, content)
        .filter(|channel| !content.variants.contains_key(*channel))
        .collect()
}

/// The channels on which a journey sends a content.
fn channels_of<'p>(plan: &'p Plan, content: &Content) -> impl Iterator<Item = &'p Channel> {
    let messages = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Message(message) if message.content == content.id => Some(message),
        StepKind::Message(_)
        | StepKind::Call(_)
        | StepKind::Task(_)
        | StepKind::Delay(_)
        | StepKind::WaitUntil(_)
        | StepKind::Split(_)
        | StepKind::Update(_)
        | StepKind::Emit(_) => None,
    });
    messages.flat_map(|message| &message.channels)
}

fn list(channels: &BTreeSet<&Channel>) -> String {
    let quoted: Vec<String> = channels
        .iter()
        .map(|channel| format!("`{channel}`"))
        .collect();
    quoted.join(", ")
}
