//! Conditions on the customer: `when` branches and `when` exits, looked at only where something they read has changed.

use journey_model::{ExitTrigger, Expression, StepKind, WaitBranch, WaitTrigger};
use journey_types::InstanceNumber;

use super::{Changes, Position, Subject, Turn};
use crate::event::{Departure, Ending};

/// What a condition that holds does to its instance.
pub(crate) enum Consequence<'a> {
    /// It exits for this reason.
    Exit(String),
    /// It takes this branch of its wait.
    Branch(u16, &'a WaitBranch),
}

impl<'a> Turn<'a> {
    /// Looks at the conditions that the facts since the last review could have changed.
    pub(super) fn review_conditions(&mut self) {
        if self.changes.is_empty() || self.budget.is_spent() {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        self.depth = self.deepest;
        for number in self.running() {
            let Some(position) = self.position(number) else {
                continue;
            };
            let is_touched =
                |condition: &Expression| changes.touch(condition.dependencies(), number);
            match self.consequence(&position, is_touched) {
                Some(consequence) => self.carry_out(&position, consequence),
                None => self.review_rest(&position, &changes),
            }
        }
    }

    /// The first consequence of the conditions that `is_looked_at` selects: exits, then branches in listed order.
    pub(crate) fn consequence(
        &self,
        position: &Position<'a>,
        is_looked_at: impl Fn(&Expression) -> bool,
    ) -> Option<Consequence<'a>> {
        let Position { instance, plan, .. } = position;
        let subject = Subject::of(instance, plan);
        for exit in &plan.exits {
            if let ExitTrigger::When(condition) = &exit.trigger
                && is_looked_at(condition)
                && self.holds(condition, subject, &exit.reason)
            {
                return Some(Consequence::Exit(exit.reason.clone()));
            }
        }
        let mut branches = (0..).zip(self.branches_waited_on(position));
        let taken = branches.find(|(branch_idx, branch)| {
            matches!(&branch.trigger, WaitTrigger::When { condition, rising }
                if is_looked_at(condition)
                    && self.branch_turned_true(position, (*branch_idx, condition, *rising)))
        });
        taken.map(|(branch_idx, branch)| Consequence::Branch(branch_idx, branch))
    }

    /// Moves or ends an instance by a condition.
    pub(crate) fn carry_out(&mut self, position: &Position<'a>, consequence: Consequence<'a>) {
        match consequence {
            Consequence::Exit(reason) => self.end(&position.instance, Ending::Exited(reason)),
            Consequence::Branch(branch_idx, branch) => {
                self.go(position, Departure::Branch(branch_idx), branch.next);
            }
        }
    }

    /// Whether a `when` branch lets the instance go: it holds, and where it must rise it did not hold before.
    pub(super) fn branch_turned_true(
        &self,
        position: &Position<'a>,
        (branch_idx, condition, rising): (u16, &Expression, bool),
    ) -> bool {
        let was_true = || position.instance.rest.when_values.get(&branch_idx) == Some(&true);
        let subject = Subject::of(&position.instance, position.plan);
        !(rising && was_true()) && self.holds(condition, subject, position.step.id.as_str())
    }

    /// The branches an instance rests on; none while it moves, is parked or stands elsewhere.
    pub(super) fn branches_waited_on(&self, position: &Position<'a>) -> &'a [WaitBranch] {
        let number = position.instance.number;
        match &position.step.kind {
            StepKind::WaitUntil(branches)
                if position.instance.parked.is_none() && !self.is_on_its_way(number) =>
            {
                branches
            }
            StepKind::WaitUntil(_)
            | StepKind::Message(_)
            | StepKind::Call(_)
            | StepKind::Task(_)
            | StepKind::Delay(_)
            | StepKind::Split(_)
            | StepKind::Update(_)
            | StepKind::Emit(_) => &[],
        }
    }

    /// A rest keeps values and the instant of the next look: both may differ after a change.
    fn review_rest(&mut self, position: &Position<'a>, changes: &Changes) {
        let number = position.instance.number;
        let is_touched = |condition: &Expression| changes.touch(condition.dependencies(), number);
        let exits = position.plan.exits.iter();
        let on_exits = exits.filter_map(|exit| match &exit.trigger {
            ExitTrigger::When(condition) => Some(condition),
            ExitTrigger::Event(_) => None,
        });
        let branches = self.branches_waited_on(position).iter();
        let on_branches = branches.filter_map(|branch| match &branch.trigger {
            WaitTrigger::When { condition, .. } => Some(condition),
            WaitTrigger::Event { .. } | WaitTrigger::After { .. } | WaitTrigger::At { .. } => None,
        });
        if on_exits.chain(on_branches).any(is_touched) {
            self.refresh_rest(number);
        }
    }

    /// Whether an instance stands before a step that it has not begun, or holds an intent.
    pub(super) fn is_on_its_way(&self, number: InstanceNumber) -> bool {
        self.ready.contains_key(&number)
            || self.tired.contains_key(&number)
            || self
                .intents
                .iter()
                .any(|intent| intent.holds_its_instance() && intent.instance.number == number)
    }
}
