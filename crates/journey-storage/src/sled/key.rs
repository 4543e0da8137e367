//! Keys as sled is given them: without four bytes of 0xff in a row.
//!
//! sled's backward scan steps to the page on the left by seeking `… x-1 ff ff ff ff`. Where keys lie between that and
//! its own page, as timers "never due" or numbers near a power of two do, it finds no way and panics after a million
//! tries. So every third 0xff in a row is followed by a 0x00 that we add. The order of keys stays the same.

use std::borrow::Cow;
use std::ops::Bound;

const RUN: usize = 3;

/// The key as sled stores it; nearly always the key itself.
pub(super) fn encode(key: &[u8]) -> Cow<'_, [u8]> {
    if !has_run(key) {
        return Cow::Borrowed(key);
    }
    let mut encoded = Vec::with_capacity(key.len() + key.len() / RUN);
    let mut n_ff = 0;
    for byte in key {
        encoded.push(*byte);
        n_ff = if *byte == 0xff { n_ff + 1 } else { 0 };
        if n_ff == RUN {
            encoded.push(0);
            n_ff = 0;
        }
    }
    Cow::Owned(encoded)
}

/// The key that was encoded.
pub(super) fn decode(encoded: &[u8]) -> Vec<u8> {
    if !has_run(encoded) {
        return encoded.to_vec();
    }
    let mut key = Vec::with_capacity(encoded.len());
    let mut n_ff = 0;
    for byte in encoded {
        if n_ff == RUN {
            n_ff = 0;
            continue;
        }
        key.push(*byte);
        n_ff = if *byte == 0xff { n_ff + 1 } else { 0 };
    }
    key
}

/// A bound on keys as a bound on what sled stores.
pub(super) fn encode_bound(bound: Bound<&[u8]>) -> Bound<Cow<'_, [u8]>> {
    bound.map(encode)
}

fn has_run(key: &[u8]) -> bool {
    key.windows(RUN).any(|window| window == [0xff; RUN])
}

#[cfg(test)]
mod tests;
