//! The leader's heap of armed timers: exactly those below a horizon, at most one per customer, bounded, and fair between
//! workspaces: they fire in turn, and where the heap is full the workspace that has most of it gives way.
//!
//! ```text
//!   armed below the horizon ──► in the heap          above it ──► only in the replica's rows
//!   heap over its cap:  the workspace with most loses its latest; its own horizon comes down to what is left
//!   heap below half, or the horizon not beyond now:  the replica's next rows are loaded, the horizon goes up, but not
//!                      further than a week ahead: what is due later needs no memory yet
//!   a workspace behind the horizon with little left: its next rows are loaded, as far as the horizon
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use journey_types::{CustomerKey, Timestamp, WorkspaceId};

use crate::core::histogram::SpanHistogram;
use crate::core::limits::{
    TIMER_PAGES_PER_LOAD_MAX, TIMERS_AHEAD_MAX, TIMERS_AHEAD_MIN, TIMERS_IN_MEMORY_MAX,
    TIMERS_LOADED_AT_ONCE,
};
use crate::error::PartitionError;
use crate::reader::CommittedReader;
use crate::replica::TimerPage;

/// An armed timer: a customer and the instant its earliest is due.
type Armed = (Timestamp, CustomerKey);

/// Up to where a part of the heap is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Horizon {
    /// Nothing was loaded yet.
    Nothing,
    /// Up to and with this pair.
    Through(Armed),
    /// Every armed timer is in the heap; of a workspace: every one below the horizon of the whole.
    Everything,
}

impl Horizon {
    fn covers(&self, due_at: Timestamp, customer: &CustomerKey) -> bool {
        match self {
            Self::Nothing => false,
            Self::Through((through, last)) => (due_at, customer) <= (*through, last),
            Self::Everything => true,
        }
    }

    /// What a page begins after.
    const fn end(&self) -> Option<&Armed> {
        match self {
            Self::Through(pair) => Some(pair),
            Self::Nothing | Self::Everything => None,
        }
    }
}

/// The timers of one workspace.
#[derive(Debug)]
struct Due {
    by_due: BTreeSet<Armed>,
    horizon: Horizon,
}

/// Customers by the instant of their earliest timer.
///
/// # Invariants
/// `workspaces` and `by_customer` hold the same pairs; all armed timers at or below the horizon and that of their
/// workspace are among them, except those of customers whose turn is in flight.
#[derive(Debug)]
pub(crate) struct TimerHeap {
    workspaces: BTreeMap<WorkspaceId, Due>,
    /// Only looked up, never gone through: its order is chance.
    by_customer: HashMap<CustomerKey, Timestamp>,
    horizon: Horizon,
    /// The workspace whose timer was taken to fire last: the next one comes after it.
    last_fired: Option<WorkspaceId>,
    /// Customers whose timer is due and is left alone for a while; they are in neither of the two above, and the
    /// horizon, which goes by when timers are due, does not touch them.
    postponed: BTreeSet<Armed>,
    timers_max: usize,
    /// The latest stamp that timers were asked for: the horizon never goes further than a week beyond it.
    stamp: Timestamp,
}

impl TimerHeap {
    pub(crate) fn new() -> Self {
        Self::with_cap(TIMERS_IN_MEMORY_MAX)
    }

    pub(crate) fn with_cap(timers_max: usize) -> Self {
        Self {
            workspaces: BTreeMap::new(),
            by_customer: HashMap::new(),
            horizon: Horizon::Nothing,
            last_fired: None,
            postponed: BTreeSet::new(),
            timers_max,
            stamp: Timestamp::EPOCH,
        }
    }

    /// Forgets everything, as at the end of a session.
    pub(crate) fn clear(&mut self) {
        self.workspaces.clear();
        self.by_customer.clear();
        self.postponed.clear();
        self.horizon = Horizon::Nothing;
    }

    pub(crate) fn len(&self) -> usize {
        self.by_customer.len() + self.postponed.len()
    }

    /// Leaves a due customer alone until after an instant. Where too many are, the one left alone for longest is
    /// forgotten until the next session: only a fault of the deciding postpones at all.
    pub(crate) fn postpone(&mut self, customer: &CustomerKey, until: Timestamp) {
        self.take(customer);
        self.postponed.insert((until, customer.clone()));
        if self.postponed.len() > self.timers_max {
            self.postponed.pop_last();
        }
    }

    /// Sets a customer's earliest timer; `None` disarms it.
    pub(crate) fn arm(&mut self, customer: &CustomerKey, due_at: Option<Timestamp>) {
        let armed = self.by_customer.get(customer).copied();
        if due_at.is_some() && armed == due_at {
            return;
        }
        if let (Some(before), Some(due_at)) = (armed, due_at)
            && due_at <= self.far()
            && self.covers(due_at, customer)
        {
            self.move_armed(customer, before, due_at);
            return;
        }
        if armed.is_some() || !self.postponed.is_empty() {
            self.take(customer);
        }
        let Some(due_at) = due_at else { return };
        if self.horizon == Horizon::Everything && due_at > self.far() {
            // All others are nearer, so everything up to there is in the heap.
            self.horizon = Horizon::Through((self.far(), customer.clone()));
        }
        if self.covers(due_at, customer) {
            self.insert(customer.clone(), due_at);
        }
    }

    /// How far the horizon may lie.
    fn far(&self) -> Timestamp {
        self.stamp.plus(TIMERS_AHEAD_MAX)
    }

    /// Moves a timer that is in the heap and stays there, as nearly every turn does.
    fn move_armed(&mut self, customer: &CustomerKey, before: Timestamp, due_at: Timestamp) {
        let due = self.workspaces.get_mut(&customer.workspace);
        let due = due.expect("a timer in the heap has its workspace there");
        let armed = due.by_due.take(&(before, customer.clone()));
        let (_, customer) = armed.expect("both indexes hold the same pairs");
        if let Some(held) = self.by_customer.get_mut(&customer) {
            *held = due_at;
        }
        due.by_due.insert((due_at, customer));
    }

    /// The customer whose timers fire next: due strictly before the stamp, workspaces in turn, the earliest of each.
    pub(crate) fn next_due(&mut self, stamp: Timestamp) -> Option<CustomerKey> {
        let is_due = |armed: &&Armed| armed.0 < stamp;
        let first = |(_, due): (&WorkspaceId, &Due)| due.by_due.first().filter(is_due).cloned();
        let last = self.last_fired.clone();
        let is_behind = |workspace: &WorkspaceId| last.as_ref().is_none_or(|l| workspace > l);
        let mut behind = self.workspaces.iter().filter(|(w, _)| is_behind(w));
        let next = behind.find_map(first);
        let next = next.or_else(|| self.workspaces.iter().find_map(first));
        let postponed = self.postponed.first().filter(is_due);
        if let Some((until, customer)) = postponed
            && next.as_ref().is_none_or(|(due_at, _)| until < due_at)
        {
            return Some(customer.clone());
        }
        let (_, customer) = next?;
        self.last_fired = Some(customer.workspace.clone());
        Some(customer)
    }

    /// When the earliest timer is due.
    pub(crate) fn next_due_at(&self) -> Option<Timestamp> {
        let first = self
            .workspaces
            .values()
            .filter_map(|due| due.by_due.first());
        let first = first.chain(self.postponed.first());
        first.map(|(due_at, _)| *due_at).min()
    }

    /// When the next timers have to be loaded though none is due; `None` while all of them are in memory.
    pub(crate) fn loads_at(&self) -> Option<Timestamp> {
        match &self.horizon {
            Horizon::Through((through, _)) => Some(through.minus(TIMERS_AHEAD_MIN)),
            Horizon::Nothing | Horizon::Everything => None,
        }
    }

    /// The ages of the timers that are due strictly before the stamp.
    pub(crate) fn overdue(&self, stamp: Timestamp) -> SpanHistogram {
        let mut ages = SpanHistogram::default();
        for due in self.workspaces.values() {
            let overdue = due.by_due.iter().take_while(|(due_at, _)| *due_at < stamp);
            for (due_at, _) in overdue {
                ages.record(stamp.since(*due_at));
            }
        }
        ages
    }

    /// Takes a customer out because its timers fire now.
    pub(crate) fn take(&mut self, customer: &CustomerKey) {
        if let Some(due_at) = self.by_customer.remove(customer)
            && let Some(due) = self.workspaces.get_mut(&customer.workspace)
        {
            due.by_due.remove(&(due_at, customer.clone()));
            if due.by_due.is_empty() && due.horizon == Horizon::Everything {
                self.workspaces.remove(&customer.workspace);
            }
        }
        if !self.postponed.is_empty() {
            self.postponed
                .retain(|(_, postponed)| postponed != customer);
        }
    }

    /// Notes up to when turns are stamped.
    pub(crate) fn look(&mut self, stamp: Timestamp) {
        self.stamp = self.stamp.max(stamp);
    }

    /// Whether there are timers to load that there is room or need for.
    pub(crate) fn wants_more(&self, stamp: Timestamp) -> bool {
        self.wants_beyond_horizon(stamp) || self.hungry().is_some()
    }

    /// Loads some of the next timers. Customers that `is_ahead` names are left out: they are armed when their turn is
    /// applied.
    pub(crate) fn load(
        &mut self,
        reader: &dyn CommittedReader,
        stamp: Timestamp,
        is_ahead: &dyn Fn(&CustomerKey) -> bool,
    ) -> Result<(), PartitionError> {
        for _ in 0..TIMER_PAGES_PER_LOAD_MAX {
            if let Some(workspace) = self.hungry() {
                self.load_workspace(&workspace, reader, is_ahead)?;
            } else if self.wants_beyond_horizon(stamp) {
                self.load_beyond_horizon(reader, is_ahead)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn page_max(&self) -> usize {
        TIMERS_LOADED_AT_ONCE.min(self.timers_max)
    }

    /// Below the horizon there must be room, and whatever is due by now, of whichever workspace.
    fn wants_beyond_horizon(&self, stamp: Timestamp) -> bool {
        match &self.horizon {
            Horizon::Everything => false,
            Horizon::Nothing => true,
            Horizon::Through((through, _)) => {
                let is_near = *through < stamp.plus(TIMERS_AHEAD_MIN);
                *through < stamp || is_near && self.by_customer.len() < self.timers_max / 2
            }
        }
    }

    /// A workspace that is behind the horizon and has less than half of its share left.
    fn hungry(&self) -> Option<WorkspaceId> {
        let half_share = (self.timers_max / (2 * self.workspaces.len().max(1))).max(1);
        let mut behind = self.workspaces.iter();
        let hungry = behind
            .find(|(_, due)| due.horizon != Horizon::Everything && due.by_due.len() < half_share);
        hungry.map(|(workspace, _)| workspace.clone())
    }

    fn load_beyond_horizon(
        &mut self,
        reader: &dyn CommittedReader,
        is_ahead: &dyn Fn(&CustomerKey) -> bool,
    ) -> Result<(), PartitionError> {
        let n_max = self.page_max();
        let far = self.far();
        let TimerPage { timers, beyond } = reader.timers_after(self.horizon.end(), far, n_max)?;
        self.horizon = match (timers.last(), beyond) {
            (Some(last), _) if timers.len() == n_max => Horizon::Through(last.clone()),
            (_, Some(beyond)) => Horizon::Through((far, beyond)),
            (_, None) => Horizon::Everything,
        };
        for (due_at, customer) in timers {
            if !is_ahead(&customer) && self.covers(due_at, &customer) {
                // The replica may be ahead of the pair held here: its word is the newer one.
                self.take(&customer);
                self.insert(customer, due_at);
            }
        }
        Ok(())
    }

    /// Loads a workspace that is behind the horizon, up to it.
    fn load_workspace(
        &mut self,
        workspace: &WorkspaceId,
        reader: &dyn CommittedReader,
        is_ahead: &dyn Fn(&CustomerKey) -> bool,
    ) -> Result<(), PartitionError> {
        let Some(due) = self.workspaces.get(workspace) else {
            return Ok(());
        };
        let n_max = self.page_max();
        let before = match &self.horizon {
            Horizon::Nothing => return Ok(()),
            Horizon::Through((through, _)) => *through,
            Horizon::Everything => Timestamp::MAX,
        };
        let mut page = reader
            .timers_after(due.horizon.end(), before, n_max)?
            .timers;
        let n_rows = page.len();
        page.retain(|(due_at, customer)| self.horizon.covers(*due_at, customer));
        let reaches_horizon = page.len() < n_rows || n_rows < n_max;
        let end = match page.last() {
            Some(last) if !reaches_horizon => Horizon::Through(last.clone()),
            Some(_) | None => Horizon::Everything,
        };
        self.set_horizon(workspace, end);
        for (due_at, customer) in page {
            let is_its = customer.workspace == *workspace;
            if is_its && !is_ahead(&customer) && self.covers(due_at, &customer) {
                self.take(&customer);
                self.insert(customer, due_at);
            }
        }
        Ok(())
    }

    fn set_horizon(&mut self, workspace: &WorkspaceId, horizon: Horizon) {
        let Some(due) = self.workspaces.get_mut(workspace) else {
            return;
        };
        due.horizon = horizon;
        if due.by_due.is_empty() && due.horizon == Horizon::Everything {
            self.workspaces.remove(workspace);
        }
    }

    fn covers(&self, due_at: Timestamp, customer: &CustomerKey) -> bool {
        let of_workspace = self.workspaces.get(&customer.workspace);
        self.horizon.covers(due_at, customer)
            && of_workspace.is_none_or(|due| due.horizon.covers(due_at, customer))
    }

    fn insert(&mut self, customer: CustomerKey, due_at: Timestamp) {
        let workspace = customer.workspace.clone();
        let due = self.workspaces.entry(workspace).or_insert_with(|| Due {
            by_due: BTreeSet::new(),
            horizon: Horizon::Everything,
        });
        due.by_due.insert((due_at, customer.clone()));
        self.by_customer.insert(customer, due_at);
        if self.by_customer.len() > self.timers_max {
            self.evict_largest();
        }
    }

    /// The latest timer of the workspace that has most goes back to the rows.
    fn evict_largest(&mut self) {
        let largest = self.workspaces.values_mut();
        let Some(due) = largest.max_by_key(|due| due.by_due.len()) else {
            return;
        };
        if let Some((_, customer)) = due.by_due.pop_last() {
            self.by_customer.remove(&customer);
        }
        due.horizon = match due.by_due.last() {
            Some(last) => Horizon::Through(last.clone()),
            None => Horizon::Nothing,
        };
    }
}

#[cfg(test)]
mod tests;
