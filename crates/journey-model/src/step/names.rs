//! The ids of a journey's steps, before and after the steps themselves are read.

use std::collections::BTreeMap;
use std::ops::Range;

use journey_types::{StepId, Value};

use crate::expression::nearest;
use crate::plan::{StepIdx, Target};
use crate::reading::Reader;
use crate::yaml::{Entry, Node};

/// The steps of one journey by id and by index.
#[derive(Debug, Default)]
pub(crate) struct StepNames {
    by_name: BTreeMap<String, StepIdx>,
    ids: Vec<Option<StepId>>,
    spans: Vec<Range<usize>>,
}

const END: &str = "end";

impl StepNames {
    /// The names of the steps in listed order; those that are no ids are reported.
    pub(crate) fn of(entries: &[&Entry], reader: &mut Reader<'_, '_>) -> Self {
        let mut names = Self::default();
        for (position, Entry { key, .. }) in entries.iter().enumerate() {
            let Ok(step_idx) = u16::try_from(position).map(StepIdx) else {
                break;
            };
            let id = match StepId::new(&key.text) {
                Ok(_) if key.text == END => {
                    let message = "`end` is built in and cannot be a step of its own";
                    let advice = "give the step another id";
                    reader.problems.error(key.span.clone(), message, advice);
                    None
                }
                Ok(id) => Some(id),
                Err(error) => {
                    let message = error.to_string();
                    reader.problems.error_only(key.span.clone(), message);
                    None
                }
            };
            names.by_name.insert(key.text.clone(), step_idx);
            names.ids.push(id);
            names.spans.push(key.span.clone());
        }
        names
    }

    /// The names of a plan's steps.
    pub(crate) fn of_plan(plan: &crate::plan::Plan) -> Self {
        Self {
            ids: plan
                .steps
                .iter()
                .map(|step| Some(step.id.clone()))
                .collect(),
            ..Self::default()
        }
    }

    /// The id of that text, if it is one.
    pub(crate) fn checked_id(&self, name: &str) -> Option<StepId> {
        let step_idx = self.by_name.get(name)?;
        self.ids.get(usize::from(step_idx.0))?.clone()
    }

    /// Where the id of a step stands.
    pub(crate) fn span(&self, step_idx: usize) -> Range<usize> {
        self.spans.get(step_idx).cloned().unwrap_or_default()
    }

    /// The index of that step.
    pub(crate) fn step_idx(&self, reader: &mut Reader<'_, '_>, node: &Node) -> Option<StepIdx> {
        let text = reader.text(node, "the id of a step, as text,")?;
        if let Some(step_idx) = self.by_name.get(text) {
            return Some(*step_idx);
        }
        let candidates = self.by_name.keys().map(String::as_str);
        let suggestion = nearest(text, candidates).map(|meant| format!("did you mean `{meant}`?"));
        let message = format!("there is no step `{text}`");
        reader
            .problems
            .error_with(node.span.clone(), message, suggestion);
        None
    }

    /// A step, or the built-in `end`.
    pub(crate) fn target(&self, reader: &mut Reader<'_, '_>, node: &Node) -> Option<Target> {
        let is_end = matches!(&node.value, crate::yaml::NodeValue::Text(text) if text == END);
        if is_end {
            return Some(Target::End);
        }
        self.step_idx(reader, node).map(Target::Step)
    }

    /// A target as it is written.
    pub(crate) fn canonical(&self, target: Target) -> Value {
        let id = match target {
            Target::End => None,
            Target::Step(step_idx) => self.ids.get(usize::from(step_idx.0)).cloned().flatten(),
        };
        Value::text(id.map_or_else(|| END.to_owned(), |id| id.to_string()))
    }
}
