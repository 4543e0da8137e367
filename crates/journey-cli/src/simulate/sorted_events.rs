//! Events in the order of (`occurred_at`, line), however many: what does not fit into memory goes to temporary files in
//! sorted runs, which are merged while they are read.

mod run;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use journey_types::{CustomerEvent, Timestamp};

use run::{Run, RunWriter};

/// Bytes of events that are sorted in memory; about twice that is used.
pub(super) const SORT_SIZE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Runs that are merged at once: each takes a buffer and an open file. When there are so many they become one.
const RUNS_MAX: usize = 64;
/// What an event takes beside its texts and values.
const EVENT_SIZE_BYTES: usize = 256;

/// An event and where it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlacedEvent {
    /// Which of the files.
    pub(super) file_idx: usize,
    /// From 1.
    pub(super) line: u64,
    /// What was read there.
    pub(super) event: CustomerEvent,
}

/// What the order is made of: of one instant, as they were read.
type SortKey = (Timestamp, usize, u64);

impl PlacedEvent {
    const fn key(&self) -> SortKey {
        (self.event.occurred_at, self.file_idx, self.line)
    }

    fn size_bytes(&self) -> usize {
        let values = self.event.properties.iter();
        let values = values.map(|(name, value)| name.len() + 64 + value.size_bytes() * 2);
        EVENT_SIZE_BYTES + values.sum::<usize>()
    }
}

/// Takes events in any order.
#[derive(Debug)]
pub(super) struct EventSorter {
    size_bytes_max: usize,
    events: Vec<PlacedEvent>,
    size_bytes: usize,
    runs: Vec<Run>,
}

impl EventSorter {
    /// Keeps about so many bytes of events in memory.
    pub(super) const fn new(size_bytes_max: usize) -> Self {
        Self {
            size_bytes_max,
            events: Vec::new(),
            size_bytes: 0,
            runs: Vec::new(),
        }
    }

    /// Takes an event; writes a run when memory is full.
    pub(super) fn push(&mut self, placed: PlacedEvent) -> anyhow::Result<()> {
        self.size_bytes += placed.size_bytes();
        self.events.push(placed);
        if self.size_bytes > self.size_bytes_max {
            self.spill()?;
        }
        Ok(())
    }

    /// Ends the taking: from now on they come out in order.
    pub(super) fn finish(mut self) -> anyhow::Result<SortedEvents> {
        self.events.sort_unstable_by_key(PlacedEvent::key);
        let mut sources = std::mem::take(&mut self.runs)
            .into_iter()
            .map(|run| Ok(Source::Run(run.read()?)))
            .collect::<anyhow::Result<Vec<Source>>>()?;
        let in_memory = std::mem::take(&mut self.events);
        sources.push(Source::Memory(in_memory.into_iter()));
        SortedEvents::new(sources)
    }

    fn spill(&mut self) -> anyhow::Result<()> {
        self.events.sort_unstable_by_key(PlacedEvent::key);
        let mut writer = RunWriter::new()?;
        for placed in self.events.drain(..) {
            writer.write(&placed)?;
        }
        self.size_bytes = 0;
        self.runs.push(writer.finish()?);
        if self.runs.len() >= RUNS_MAX {
            self.join_runs()?;
        }
        Ok(())
    }

    /// All runs as one.
    fn join_runs(&mut self) -> anyhow::Result<()> {
        let sources = self
            .runs
            .drain(..)
            .map(|run| Ok(Source::Run(run.read()?)))
            .collect::<anyhow::Result<Vec<Source>>>()?;
        let mut writer = RunWriter::new()?;
        for placed in SortedEvents::new(sources)? {
            writer.write(&placed?)?;
        }
        self.runs.push(writer.finish()?);
        Ok(())
    }
}

/// Sorted events, one after the other.
#[derive(Debug)]
enum Source {
    Memory(std::vec::IntoIter<PlacedEvent>),
    Run(run::RunReader),
}

impl Source {
    fn next(&mut self) -> anyhow::Result<Option<PlacedEvent>> {
        match self {
            Self::Memory(events) => Ok(events.next()),
            Self::Run(reader) => reader.next(),
        }
    }
}

/// All events in order.
#[derive(Debug)]
pub(super) struct SortedEvents {
    sources: Vec<Source>,
    /// The next event of each source, by its key and the source's place.
    heads: Vec<Option<PlacedEvent>>,
    order: BinaryHeap<Reverse<(SortKey, usize)>>,
}

impl SortedEvents {
    fn new(sources: Vec<Source>) -> anyhow::Result<Self> {
        let mut sorted = Self {
            heads: (0..sources.len()).map(|_| None).collect(),
            order: BinaryHeap::with_capacity(sources.len()),
            sources,
        };
        for source_idx in 0..sorted.sources.len() {
            sorted.refill(source_idx)?;
        }
        Ok(sorted)
    }

    fn refill(&mut self, source_idx: usize) -> anyhow::Result<()> {
        let head = self.sources[source_idx].next()?;
        if let Some(placed) = &head {
            self.order.push(Reverse((placed.key(), source_idx)));
        }
        self.heads[source_idx] = head;
        Ok(())
    }
}

impl Iterator for SortedEvents {
    type Item = anyhow::Result<PlacedEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, source_idx)) = self.order.pop()?;
        let placed = self.heads[source_idx].take()?;
        Some(self.refill(source_idx).map(|()| placed))
    }
}

#[cfg(test)]
mod tests;
