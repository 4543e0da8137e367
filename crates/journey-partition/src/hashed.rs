//! A hasher for keys that are hashes already, of which the low bits say nothing: those of customers, whose slot they are.

use std::hash::Hasher;

/// Hashes a hash.
#[derive(Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        // Its low bits are the slot, of which a partition has few.
        self.0 = hash.rotate_right(16);
    }
}
