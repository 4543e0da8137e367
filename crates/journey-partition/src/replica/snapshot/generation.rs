//! Which tree of the database a partition's rows lie in: a received snapshot fills a tree of its own, and one row makes
//! it the partition's.
//!
//! ```text
//!   tree `partitions`   partition (4)  ─►  format (1), generation (4)      no row: generation 0
//!   tree `p3`, `p3.1`, …               rows of partition 3 in generation 0, 1, …
//! ```

use std::sync::Arc;

use journey_storage::{Engine, Put, StorageError, Tree};
use journey_types::PartitionId;

use crate::error::PartitionError;

const GENERATIONS_TREE: &str = "partitions";
const FORMAT_VERSION: u8 = 1;

/// The tree that holds the partition's rows now. Removes those of other generations, which a crash while a snapshot was
/// received, or an installed one, has left.
///
/// # Errors
/// When the database fails, or a later release has written which generation it is.
pub fn partition_tree(
    engine: &dyn Engine,
    partition: PartitionId,
) -> Result<Arc<dyn Tree>, PartitionError> {
    let failed = failed(engine, partition);
    let generation = read(engine, partition).map_err(&failed)?;
    let name = tree_name(partition, generation);
    for other in engine.tree_names() {
        if is_of(partition, &other) && other != name {
            tracing::info!(partition_id = %partition, tree = other, "removing rows of another generation");
            engine.remove_tree(&other).map_err(&failed)?;
        }
    }
    engine.tree(&name).map_err(&failed)
}

/// Removes all rows of the partition, durably, for a replica that is gone for good. Nobody may use them any more.
///
/// # Errors
/// When the database fails; calling again is safe.
pub fn remove_partition(engine: &dyn Engine, partition: PartitionId) -> Result<(), PartitionError> {
    let failed = failed(engine, partition);
    for tree in engine.tree_names() {
        if is_of(partition, &tree) {
            engine.remove_tree(&tree).map_err(&failed)?;
        }
    }
    engine.flush_durable().map_err(&failed)
}

/// The generation whose tree holds the partition's rows.
pub(super) fn read(engine: &dyn Engine, partition: PartitionId) -> Result<u32, StorageError> {
    let tree = engine.tree(GENERATIONS_TREE)?;
    let Some(row) = tree.get(&partition.get().to_be_bytes())? else {
        return Ok(0);
    };
    match row.split_first() {
        Some((&FORMAT_VERSION, generation)) => {
            let generation = generation.try_into().map(u32::from_be_bytes);
            generation.map_err(|_| StorageError::Damaged {
                tree: GENERATIONS_TREE.to_owned(),
                reason: format!("{} bytes are no generation", row.len()),
            })
        }
        Some((&found, _)) => Err(StorageError::NewerRow {
            tree: GENERATIONS_TREE.to_owned(),
            found,
            supported: FORMAT_VERSION,
        }),
        None => Err(StorageError::Damaged {
            tree: GENERATIONS_TREE.to_owned(),
            reason: "the row of a generation is empty".to_owned(),
        }),
    }
}

/// Makes a generation the partition's: one put, then durable. What it names must be durable before.
pub(super) fn switch(
    engine: &dyn Engine,
    partition: PartitionId,
    generation: u32,
) -> Result<(), StorageError> {
    let tree = engine.tree(GENERATIONS_TREE)?;
    let row = [&[FORMAT_VERSION][..], &generation.to_be_bytes()].concat();
    tree.put_ordered(&[Put::set(partition.get().to_be_bytes(), row)])?;
    engine.flush_durable()
}

pub(super) fn tree_name(partition: PartitionId, generation: u32) -> String {
    match generation {
        0 => format!("p{partition}"),
        generation => format!("p{partition}.{generation}"),
    }
}

pub(super) fn failed(
    engine: &dyn Engine,
    partition: PartitionId,
) -> impl Fn(StorageError) -> PartitionError + use<> {
    let database = engine.location();
    move |source| PartitionError::Storage {
        partition,
        database: database.clone(),
        attempt: "finding its rows",
        source,
    }
}

fn is_of(partition: PartitionId, tree: &str) -> bool {
    let own = tree_name(partition, 0);
    tree.strip_prefix(&own)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
