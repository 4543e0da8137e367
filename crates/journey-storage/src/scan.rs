//! Reads any number of rows in key order, a page at a time.

use std::ops::Bound;
use std::vec;

use crate::engine::{Row, Tree};
use crate::error::StorageError;
use crate::keys::prefix_bounds;
use crate::limits::SCAN_PAGE_ROWS;

/// The rows between two bounds, in key order. Not a snapshot: rows that change meanwhile are given as they are when
/// their page is read.
///
/// After an error it ends.
#[derive(Debug)]
pub struct Scan<'a> {
    tree: &'a dyn Tree,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    page: vec::IntoIter<Row>,
    is_last_page: bool,
}

impl<'a> Scan<'a> {
    /// Every row between the bounds.
    #[must_use]
    pub fn new(tree: &'a dyn Tree, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Self {
        Self {
            tree,
            from,
            to,
            page: Vec::new().into_iter(),
            is_last_page: false,
        }
    }

    /// Every row whose key begins with the prefix.
    #[must_use]
    pub fn prefix(tree: &'a dyn Tree, prefix: &[u8]) -> Self {
        let (from, to) = prefix_bounds(prefix);
        Self::new(tree, from, to)
    }

    fn read_page(&mut self) -> Result<(), StorageError> {
        let from = self.from.as_ref().map(Vec::as_slice);
        let to = self.to.as_ref().map(Vec::as_slice);
        let rows = self.tree.range(from, to, SCAN_PAGE_ROWS)?;
        self.is_last_page = rows.len() < SCAN_PAGE_ROWS;
        if let Some((key, _)) = rows.last() {
            self.from = Bound::Excluded(key.clone());
        }
        self.page = rows.into_iter();
        Ok(())
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Row, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.page.next() {
            return Some(Ok(row));
        }
        if self.is_last_page {
            return None;
        }
        if let Err(error) = self.read_page() {
            self.is_last_page = true;
            return Some(Err(error));
        }
        self.page.next().map(Ok)
    }
}

#[cfg(test)]
mod tests;
