//! One tree of a sled database.

use std::ops::Bound;
use std::sync::Arc;

use super::contained::contained;
use super::database::Database;
use super::key::{decode, encode, encode_bound};
use crate::engine::{Put, Row, Tree, check_batch_size, check_sizes, is_empty_range};
use crate::error::StorageError;

/// A tree and the database that it lies in; the tree goes first, so that the lock goes last.
pub(super) struct SledTree {
    tree: ::sled::Tree,
    name: String,
    database: Arc<Database>,
}

impl SledTree {
    pub(super) fn new(tree: ::sled::Tree, name: &str, database: Arc<Database>) -> Self {
        let name = name.to_owned();
        Self {
            tree,
            name,
            database,
        }
    }

    /// Calls sled and tells its failure, or its panic, as ours.
    fn call<T>(
        &self,
        verb: &str,
        call: impl FnOnce(&::sled::Tree) -> ::sled::Result<T>,
    ) -> Result<T, StorageError> {
        let failed = |reason: &dyn std::fmt::Display| {
            let attempt = format!("{verb} tree {} of", self.name);
            self.database.failed(&attempt, reason)
        };
        match contained(|| call(&self.tree)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(failed(&error)),
            Err(reason) => Err(failed(&reason)),
        }
    }

    fn check_writable(&self, puts: &[Put]) -> Result<(), StorageError> {
        self.database.check_writable()?;
        check_sizes(&self.name, puts, self.database.value_size_bytes_max)
    }
}

impl Tree for SledTree {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.call("reading", |tree| tree.get(encode(key)))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn put_ordered(&self, puts: &[Put]) -> Result<(), StorageError> {
        self.check_writable(puts)?;
        for put in puts {
            self.database.admit(std::slice::from_ref(put))?;
            self.call("writing to", |tree| match &put.value {
                Some(value) => tree.insert(encode(&put.key), value.as_slice()),
                None => tree.remove(encode(&put.key)),
            })?;
        }
        Ok(())
    }

    fn apply_atomic(&self, puts: &[Put]) -> Result<(), StorageError> {
        self.check_writable(puts)?;
        check_batch_size(&self.name, puts)?;
        self.database.admit(puts)?;
        let mut batch = ::sled::Batch::default();
        for put in puts {
            match &put.value {
                Some(value) => batch.insert(encode(&put.key).as_ref(), value.as_slice()),
                None => batch.remove(encode(&put.key).as_ref()),
            }
        }
        self.call("writing a batch to", |tree| tree.apply_batch(batch))
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StorageError> {
        if is_empty_range(from, to) {
            return Ok(Vec::new());
        }
        self.call("scanning", |tree| {
            tree.range((encode_bound(from), encode_bound(to)))
                .take(rows_max)
                .map(|row| row.map(|(key, value)| (decode(&key), value.to_vec())))
                .collect()
        })
    }

    fn last_at_or_below(&self, to: Bound<&[u8]>) -> Result<Option<Row>, StorageError> {
        let last = self.call("scanning", |tree| {
            let mut rows = tree.range((Bound::Unbounded, encode_bound(to)));
            rows.next_back().transpose()
        })?;
        Ok(last.map(|(key, value)| (decode(&key), value.to_vec())))
    }
}

impl std::fmt::Debug for SledTree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SledTree")
            .field("name", &self.name)
            .field("path", &self.database.path)
            .finish_non_exhaustive()
    }
}
