//! An engine in memory that a simulation can cut the power of: what was not flushed is lost, save for a prefix of it.
//!
//! Deterministic: the same calls give the same state, and a crash is chosen by the caller, by number or by seed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::engine::{Engine, Put, Row, Tree, check_batch_size, check_sizes, is_empty_range};
use crate::error::StorageError;

type Bytes = Arc<[u8]>;
type Rows = BTreeMap<Bytes, Bytes>;
type Trees = BTreeMap<Arc<str>, Rows>;

/// How much of what was written but not flushed is found after a power cut. It is always a prefix in write order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Nothing of it.
    Flushed,
    /// The first so many writes (an atomic batch is one write), or all if there are fewer.
    Writes(usize),
    /// A number of writes drawn from the seed: the same seed and the same writes give the same state.
    Seeded(u64),
    /// All of it: a killed process on a machine that stays up.
    Written,
}

/// A failure to come, for tests of those who call the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next flush fails, and with it every later write and flush.
    NextFlush,
    /// The next call that writes fails after so many of its changes (an atomic batch always after none).
    NextPut {
        /// Changes that are still made.
        after: usize,
    },
}

/// The engine; clones are handles to the same database.
#[derive(Clone)]
pub struct MemoryEngine {
    database: Arc<Mutex<Database>>,
    value_size_bytes_max: usize,
}

/// # Invariants
/// `flushed` with all of `unflushed` done to it, in order, is `written`.
struct Database {
    /// What reads see.
    written: Trees,
    /// What a power cut cannot take.
    flushed: Trees,
    /// Bounded by what the caller writes between two flushes.
    unflushed: Vec<Write>,
    fault: Option<Fault>,
    flush_failed: bool,
    power_is_cut: bool,
}

/// What survives whole or not at all.
enum Write {
    CreateTree(Arc<str>),
    RemoveTree(Arc<str>),
    Change(Arc<str>, Vec<(Bytes, Option<Bytes>)>),
}

impl MemoryEngine {
    /// An empty database that refuses longer values, as a sled one with that limit would.
    #[must_use]
    pub fn new(value_size_bytes_max: usize) -> Self {
        Self::of(Trees::new(), value_size_bytes_max)
    }

    fn of(trees: Trees, value_size_bytes_max: usize) -> Self {
        let database = Database {
            written: trees.clone(),
            flushed: trees,
            unflushed: Vec::new(),
            fault: None,
            flush_failed: false,
            power_is_cut: false,
        };
        Self {
            database: Arc::new(Mutex::new(database)),
            value_size_bytes_max,
        }
    }

    /// Cuts the power: this engine, its clones and its trees fail from now on; the new engine holds what was flushed
    /// and the chosen prefix of what was not.
    #[must_use]
    pub fn crash(&self, point: CrashPoint) -> Self {
        let survivor = self.survivor(point);
        self.database.lock().power_is_cut = true;
        survivor
    }

    /// What [`Self::crash`] would leave, while this engine goes on.
    #[must_use]
    pub fn survivor(&self, point: CrashPoint) -> Self {
        let database = self.database.lock();
        let n_unflushed = database.unflushed.len();
        let n_writes = match point {
            CrashPoint::Flushed => 0,
            CrashPoint::Writes(n_writes) => n_writes.min(n_unflushed),
            CrashPoint::Seeded(seed) => draw(seed, n_unflushed),
            CrashPoint::Written => n_unflushed,
        };
        let mut trees = database.flushed.clone();
        for write in &database.unflushed[..n_writes] {
            write.make(&mut trees);
        }
        Self::of(trees, self.value_size_bytes_max)
    }

    /// How many writes a power cut now could take: the largest useful [`CrashPoint::Writes`].
    #[must_use]
    pub fn n_unflushed(&self) -> usize {
        self.database.lock().unflushed.len()
    }

    /// Makes a later call fail. A second fault replaces one that has not happened.
    pub fn inject(&self, fault: Fault) {
        self.database.lock().fault = Some(fault);
    }
}

/// A number from 0 to `max`, both included, from the seed (splitmix64: every seed gives a well-mixed number).
fn draw(seed: u64, max: usize) -> usize {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let n_choices = u64::try_from(max).map_or(u64::MAX, |max| max.saturating_add(1));
    usize::try_from(mixed % n_choices).expect("at most max, which is a usize")
}

impl Database {
    fn check_power(&self) -> Result<(), StorageError> {
        if self.power_is_cut {
            return Err(StorageError::engine("using memory", "its power was cut"));
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        self.check_power()?;
        if self.flush_failed {
            let database = "memory".to_owned();
            return Err(StorageError::FlushFailed { database });
        }
        Ok(())
    }

    fn rows(&self, tree: &str) -> Result<&Rows, StorageError> {
        self.check_power()?;
        self.written
            .get(tree)
            .ok_or_else(|| StorageError::engine(format!("using tree {tree}"), "it was removed"))
    }

    fn write(&mut self, write: Write) {
        write.make(&mut self.written);
        self.unflushed.push(write);
    }

    /// Makes the changes one by one, or as one write, up to the injected failure.
    fn change(&mut self, tree: &Arc<str>, puts: &[Put], atomic: bool) -> Result<(), StorageError> {
        self.check_writable()?;
        self.rows(tree)?;
        let changes = puts.iter().map(|put| {
            let value = put.value.as_deref().map(Bytes::from);
            (Bytes::from(put.key.as_slice()), value)
        });
        if let Some(Fault::NextPut { after }) = self.fault {
            self.fault = None;
            let n_made = if atomic { 0 } else { after.min(puts.len()) };
            for change in changes.take(n_made) {
                self.write(Write::Change(Arc::clone(tree), vec![change]));
            }
            let attempt = format!("writing to tree {tree}");
            return Err(StorageError::engine(attempt, "injected failure"));
        }
        if atomic {
            self.write(Write::Change(Arc::clone(tree), changes.collect()));
        } else {
            for change in changes {
                self.write(Write::Change(Arc::clone(tree), vec![change]));
            }
        }
        Ok(())
    }
}

impl Write {
    fn make(&self, trees: &mut Trees) {
        match self {
            Self::CreateTree(name) => {
                trees.entry(name.clone()).or_default();
            }
            Self::RemoveTree(name) => {
                trees.remove(name);
            }
            Self::Change(name, changes) => {
                let rows = trees
                    .get_mut(name)
                    .expect("a tree is created before it is written, in the same order");
                for (key, value) in changes {
                    match value {
                        Some(value) => rows.insert(key.clone(), value.clone()),
                        None => rows.remove(key),
                    };
                }
            }
        }
    }
}

impl Engine for MemoryEngine {
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, StorageError> {
        let name = Arc::<str>::from(name);
        let mut database = self.database.lock();
        database.check_power()?;
        if !database.written.contains_key(&name) {
            database.check_writable()?;
            database.write(Write::CreateTree(Arc::clone(&name)));
        }
        drop(database);
        let engine = self.clone();
        Ok(Arc::new(MemoryTree { engine, name }))
    }

    fn tree_names(&self) -> Vec<String> {
        let database = self.database.lock();
        database.written.keys().map(ToString::to_string).collect()
    }

    fn remove_tree(&self, name: &str) -> Result<bool, StorageError> {
        let mut database = self.database.lock();
        database.check_writable()?;
        let exists = database.written.contains_key(name);
        if exists {
            database.write(Write::RemoveTree(Arc::from(name)));
        }
        Ok(exists)
    }

    fn flush_durable(&self) -> Result<(), StorageError> {
        let mut guard = self.database.lock();
        let database = &mut *guard;
        database.check_writable()?;
        if database.fault == Some(Fault::NextFlush) {
            database.fault = None;
            database.flush_failed = true;
            return Err(StorageError::engine("flushing memory", "injected failure"));
        }
        for write in database.unflushed.drain(..) {
            write.make(&mut database.flushed);
        }
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        let database = self.database.lock();
        database.check_power()?;
        let rows = database.written.values().flatten();
        let size_bytes: usize = rows.map(|(key, value)| key.len() + value.len()).sum();
        Ok(u64::try_from(size_bytes).unwrap_or(u64::MAX))
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.database.lock().check_power()
    }
}

impl std::fmt::Debug for MemoryEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let database = self.database.lock();
        formatter
            .debug_struct("MemoryEngine")
            .field("trees", &database.written.keys())
            .field("n_unflushed", &database.unflushed.len())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct MemoryTree {
    engine: MemoryEngine,
    name: Arc<str>,
}

impl MemoryTree {
    fn change(&self, puts: &[Put], atomic: bool) -> Result<(), StorageError> {
        check_sizes(&self.name, puts, self.engine.value_size_bytes_max)?;
        let mut database = self.engine.database.lock();
        database.change(&self.name, puts, atomic)
    }
}

impl Tree for MemoryTree {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let database = self.engine.database.lock();
        Ok(database
            .rows(&self.name)?
            .get(key)
            .map(|value| value.to_vec()))
    }

    fn put_ordered(&self, puts: &[Put]) -> Result<(), StorageError> {
        self.change(puts, false)
    }

    fn apply_atomic(&self, puts: &[Put]) -> Result<(), StorageError> {
        check_batch_size(&self.name, puts)?;
        self.change(puts, true)
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let database = self.engine.database.lock();
        let rows = database.rows(&self.name)?;
        if is_empty_range(from, to) {
            return Ok(Vec::new());
        }
        let rows = rows.range::<[u8], _>((from, to)).take(rows_max);
        Ok(rows
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect())
    }

    fn last_at_or_below(&self, to: Bound<&[u8]>) -> Result<Option<Row>, StorageError> {
        let database = self.engine.database.lock();
        let rows = database.rows(&self.name)?;
        let last = rows.range::<[u8], _>((Bound::Unbounded, to)).next_back();
        Ok(last.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }
}

#[cfg(test)]
mod tests;
