//! What a new version of a content takes away from journeys that are published already.

use std::collections::BTreeSet;

use journey_types::{Channel, JourneyId};

use super::File;
use crate::catalog::Catalog;
use crate::content::Content;
use crate::document::Document;
use crate::plan::{Plan, StepKind};

/// Reports channels that published journeys send on and that a new version of their content no longer has. Running
/// instances use the newest content, whatever their own version.
pub(super) fn refuse_lost_channels(files: &mut [File<'_>], published: &Catalog) {
    let replaced: BTreeSet<JourneyId> = files.iter().flat_map(File::journey_ids).collect();
    for file in files {
        for part in &file.parts {
            let Some(Document::Content(content)) = &part.document else {
                continue;
            };
            for (journey, versions) in &published.journeys {
                for (version, plan) in &versions.versions {
                    let lost = lost_channels(plan, content);
                    if lost.is_empty() {
                        continue;
                    }
                    let span = part.id_span.clone();
                    let message = format!(
                        "`{journey}` version {version} sends this content on {}, which it has no longer",
                        list(&lost)
                    );
                    let is_newest = *version == versions.newest && !replaced.contains(journey);
                    if is_newest {
                        let advice = "keep the variant, or publish the journey without the channel together with it";
                        file.problems.error(span, message, advice);
                    } else {
                        let advice = "instances that still run on that version skip the channel";
                        file.problems.warning(span, message, advice);
                    }
                }
            }
        }
    }
}

fn lost_channels<'p>(plan: &'p Plan, content: &Content) -> BTreeSet<&'p Channel> {
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
    messages
        .flat_map(|message| &message.channels)
        .filter(|channel| !content.variants.contains_key(*channel))
        .collect()
}

fn list(channels: &BTreeSet<&Channel>) -> String {
    let quoted: Vec<String> = channels
        .iter()
        .map(|channel| format!("`{channel}`"))
        .collect();
    quoted.join(", ")
}
