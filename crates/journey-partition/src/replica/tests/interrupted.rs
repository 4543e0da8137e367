//! An engine that lets something else happen just before it writes: the replica goes on while rows are written.

use std::ops::Bound;
use std::sync::Arc;

use journey_storage::{Engine, Put, Row, StorageError, Tree};
use parking_lot::Mutex;

use crate::replica::SharedReplica;

struct Interruption {
    /// Waits for a write that is not made under the lock of this one.
    unlocked: Option<SharedReplica>,
    act: Box<dyn FnOnce() + Send>,
}

/// What happens before the next write.
#[derive(Clone, Default)]
pub(super) struct Interrupter(Arc<Mutex<Option<Interruption>>>);

impl Interrupter {
    pub(super) fn set(&self, interruption: impl FnOnce() + Send + 'static) {
        *self.0.lock() = Some(Interruption {
            unlocked: None,
            act: Box::new(interruption),
        });
    }

    /// As [`Self::set`], before a write that is not made under the lock of that replica.
    pub(super) fn set_for(&self, of: &SharedReplica, interruption: impl FnOnce() + Send + 'static) {
        *self.0.lock() = Some(Interruption {
            unlocked: Some(Arc::clone(of)),
            act: Box::new(interruption),
        });
    }

    /// Lets it happen, unless it has.
    pub(super) fn run(&self) {
        let waits = |it: &mut Interruption| it.unlocked.as_ref().is_some_and(|of| of.is_locked());
        let interruption = self.0.lock().take_if(|it| !waits(it));
        if let Some(interruption) = interruption {
            (interruption.act)();
        }
    }
}

impl std::fmt::Debug for Interrupter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Interrupter")
    }
}

#[derive(Debug, Clone)]
pub(super) struct InterruptedEngine<E> {
    pub(super) engine: E,
    pub(super) interrupter: Interrupter,
}

#[derive(Debug)]
struct InterruptedTree {
    tree: Arc<dyn Tree>,
    interrupter: Interrupter,
}

impl<E: Engine> Engine for InterruptedEngine<E> {
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, StorageError> {
        Ok(Arc::new(InterruptedTree {
            tree: self.engine.tree(name)?,
            interrupter: self.interrupter.clone(),
        }))
    }

    fn tree_names(&self) -> Vec<String> {
        self.engine.tree_names()
    }

    fn remove_tree(&self, name: &str) -> Result<bool, StorageError> {
        self.engine.remove_tree(name)
    }

    fn flush_durable(&self) -> Result<(), StorageError> {
        self.interrupter.run();
        self.engine.flush_durable()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.engine.size_bytes()
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.engine.verify()
    }
}

impl Tree for InterruptedTree {
    fn name(&self) -> &str {
        self.tree.name()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.tree.get(key)
    }

    fn put_ordered(&self, puts: &[Put]) -> Result<(), StorageError> {
        let (before, after) = puts.split_at(puts.len() / 2);
        self.tree.put_ordered(before)?;
        self.interrupter.run();
        self.tree.put_ordered(after)
    }

    fn apply_atomic(&self, _puts: &[Put]) -> Result<(), StorageError> {
        panic!("the replica writes plain, ordered puts only")
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.tree.range(from, to, rows_max)
    }

    fn last_at_or_below(&self, to: Bound<&[u8]>) -> Result<Option<Row>, StorageError> {
        self.tree.last_at_or_below(to)
    }
}
