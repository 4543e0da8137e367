//! sled against the contract.

use std::path::Path;

use super::*;
use crate::conformance::{self, Fixture, VALUE_SIZE_BYTES_MAX};
use crate::limits::STATE_SEGMENT_SIZE_BYTES;

fn options(path: &Path) -> SledOptions {
    SledOptions {
        path: path.to_owned(),
        segment_size_bytes: STATE_SEGMENT_SIZE_BYTES,
        value_size_bytes_max: VALUE_SIZE_BYTES_MAX,
        cache_capacity_bytes: 64 * 1024 * 1024,
        flush_every: Duration::from_millis(200),
    }
}

struct SledFixture(tempfile::TempDir);

impl Fixture for SledFixture {
    fn open(&self) -> Result<Arc<dyn Engine>, StorageError> {
        Ok(Arc::new(SledEngine::open(options(self.0.path()))?))
    }
}

#[test]
fn sled_holds_the_contract() {
    conformance::holds_the_contract(|| SledFixture(tempfile::tempdir().unwrap()));
}
