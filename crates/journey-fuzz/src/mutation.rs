//! Inputs made from inputs.

use crate::draw::Draw;

/// Changes made to one input at most.
const CHANGES_MAX: usize = 6;
/// Bytes and numbers at which readers go wrong.
const DEAR_BYTES: &[u8] = &[
    0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'\'', b'{', b'}', b'[', b']', b':', b' ',
];

/// What mutations are made of.
pub(crate) struct Mutator<'a> {
    pub(crate) corpus: &'a [Vec<u8>],
    pub(crate) dictionary: &'a [&'a str],
    pub(crate) size_bytes_max: usize,
}

impl Mutator<'_> {
    /// An input made from one of the corpus.
    pub(crate) fn make(&self, draw: &mut Draw) -> Vec<u8> {
        let mut input = self.pick(draw).to_vec();
        for _ in 0..=draw.below(CHANGES_MAX) {
            self.change(&mut input, draw);
        }
        input.truncate(self.size_bytes_max);
        input
    }

    fn pick(&self, draw: &mut Draw) -> &[u8] {
        // Half of the time one of the newest: they are where something new was found.
        let n_newest = self.corpus.len().div_ceil(8);
        let at = if draw.below(2) == 0 {
            self.corpus.len() - 1 - draw.below(n_newest)
        } else {
            draw.below(self.corpus.len())
        };
        self.corpus.get(at).map_or(&[], Vec::as_slice)
    }

    fn change(&self, input: &mut Vec<u8>, draw: &mut Draw) {
        let at = draw.below(input.len() + 1);
        let end = (at + 1 + draw.below(16)).min(input.len());
        match draw.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << draw.below(8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = DEAR_BYTES[draw.below(DEAR_BYTES.len())];
                }
            }
            2 => input.insert(at, draw.byte()),
            3 if at < end => drop(input.drain(at..end)),
            4 if at < end => {
                // Repeated, sometimes often: deep nesting, long lists.
                let part = input[at..end].to_vec();
                let n_times = 1 + draw.below(4) * draw.below(64);
                let n_times = n_times.min(self.size_bytes_max / part.len().max(1));
                drop(input.splice(at..at, part.repeat(n_times)));
            }
            5 | 6 if !self.dictionary.is_empty() => {
                let word = self.dictionary[draw.below(self.dictionary.len())];
                let end = if draw.below(2) == 0 { end.max(at) } else { at };
                drop(input.splice(at..end, word.bytes()));
            }
            7 => {
                let other = self.pick(draw);
                let from = draw.below(other.len() + 1);
                let to = (from + 1 + draw.below(other.len())).min(other.len());
                let part = other[from.min(to)..to].to_vec();
                drop(input.splice(at..at, part));
            }
            _ => {
                let other = self.pick(draw);
                let from = draw.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}
