//! Checks over all steps together: which are never reached, and which go round without resting.

use crate::plan::{Step, StepIdx, Target};
use crate::reading::Reader;
use crate::step::{Rest, StepNames, exits_of, rest_of};

/// Reports unreachable steps and loops that never rest.
pub(super) fn check(
    reader: &mut Reader<'_, '_>,
    names: &StepNames,
    steps: &[Step],
    start: StepIdx,
) {
    let reached = reached_from(steps, usize::from(start.0));
    for (step_idx, step) in steps.iter().enumerate() {
        if !reached[step_idx] {
            let message = format!("no way leads to step `{}`", step.id);
            let advice = "lead a `next` to it, or leave it out";
            reader.problems.error(names.span(step_idx), message, advice);
        }
    }
    for members in loops_without_rest(steps) {
        report_loop(reader, names, steps, &members);
    }
}

fn report_loop(reader: &mut Reader<'_, '_>, names: &StepNames, steps: &[Step], members: &[usize]) {
    let ids: Vec<String> = members
        .iter()
        .map(|step_idx| format!("`{}`", steps[*step_idx].id))
        .collect();
    let has_way_out = members.iter().any(|member| {
        exits_of(&steps[*member])
            .into_iter()
            .any(|(target, is_failure)| !is_failure && !is_among(target, members))
    });
    let span = names.span(members[0]);
    let ids = match ids.as_slice() {
        [only] => format!("step {only} goes"),
        _ => format!("steps {} go", ids.join(", ")),
    };
    let may_rest = members
        .iter()
        .any(|member| rest_of(&steps[*member]) != Rest::Never);
    if has_way_out || may_rest {
        let message = format!("{ids} round, at times without resting");
        let advice = "an instance parks after 256 steps in one turn: see that something in the loop takes time or ends it";
        reader.problems.warning(span, message, advice);
    } else {
        let message = format!("{ids} round for ever without resting");
        let advice = "add a `delay` or `wait_until` to the loop, or a `split` that leaves it";
        reader.problems.error(span, message, advice);
    }
}

fn is_among(target: Target, members: &[usize]) -> bool {
    match target {
        Target::End => false,
        Target::Step(step_idx) => members.contains(&usize::from(step_idx.0)),
    }
}

fn successors(step: &Step) -> impl Iterator<Item = usize> + use<> {
    exits_of(step)
        .into_iter()
        .filter_map(|(target, _)| match target {
            Target::End => None,
            Target::Step(step_idx) => Some(usize::from(step_idx.0)),
        })
}

fn reached_from(steps: &[Step], start: usize) -> Vec<bool> {
    let mut reached = vec![false; steps.len()];
    let mut pending = vec![start];
    while let Some(step_idx) = pending.pop() {
        if !std::mem::replace(&mut reached[step_idx], true) {
            pending.extend(successors(&steps[step_idx]));
        }
    }
    reached
}

/// Groups of steps from each of which every other can be reached without resting: Tarjan's strongly connected
/// components, with a stack of our own because a journey may be 1,000 steps deep.
fn loops_without_rest(steps: &[Step]) -> Vec<Vec<usize>> {
    let edges: Vec<Vec<usize>> = steps
        .iter()
        .map(|step| {
            if rest_of(step) == Rest::Always {
                return Vec::new();
            }
            successors(step)
                .filter(|to| rest_of(&steps[*to]) != Rest::Always)
                .collect()
        })
        .collect();
    let mut search = Search {
        edges: &edges,
        order: vec![None; steps.len()],
        low: vec![0; steps.len()],
        is_open: vec![false; steps.len()],
        open: Vec::new(),
        n_seen: 0,
        found: Vec::new(),
    };
    for root in 0..steps.len() {
        if search.order[root].is_none() {
            search.visit(root);
        }
    }
    let mut found = search.found;
    found.retain(|members| members.len() > 1 || edges[members[0]].contains(&members[0]));
    found.sort();
    found
}

struct Search<'e> {
    edges: &'e [Vec<usize>],
    order: Vec<Option<usize>>,
    low: Vec<usize>,
    is_open: Vec<bool>,
    open: Vec<usize>,
    n_seen: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, root: usize) {
        let mut path = vec![(root, 0)];
        self.enter(root);
        while let Some((step_idx, edge_idx)) = path.last_mut() {
            let (step_idx, next) = (*step_idx, self.edges[*step_idx].get(*edge_idx).copied());
            *edge_idx += 1;
            match next {
                Some(to) => match self.order[to] {
                    None => {
                        self.enter(to);
                        path.push((to, 0));
                    }
                    Some(order) if self.is_open[to] => {
                        self.low[step_idx] = self.low[step_idx].min(order);
                    }
                    Some(_) => {}
                },
                None => {
                    path.pop();
                    if let Some((parent, _)) = path.last() {
                        self.low[*parent] = self.low[*parent].min(self.low[step_idx]);
                    }
                    self.leave(step_idx);
                }
            }
        }
    }

    fn enter(&mut self, step_idx: usize) {
        self.order[step_idx] = Some(self.n_seen);
        self.low[step_idx] = self.n_seen;
        self.n_seen += 1;
        self.open.push(step_idx);
        self.is_open[step_idx] = true;
    }

    fn leave(&mut self, step_idx: usize) {
        if Some(self.low[step_idx]) != self.order[step_idx] {
            return;
        }
        let from = self.open.iter().position(|open| *open == step_idx);
        let mut members = self
            .open
            .split_off(from.expect("a step is open until its loop is found"));
        for member in &members {
            self.is_open[*member] = false;
        }
        members.sort_unstable();
        self.found.push(members);
    }
}
