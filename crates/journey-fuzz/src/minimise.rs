//! Makes an input that fails smaller while it still fails.

/// Tries at most.
const TRIES_MAX: usize = 4_000;

/// Removes what is not needed for `fails`, in ever smaller pieces.
pub(crate) fn minimise(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut input = input.to_vec();
    let mut n_tries = 0;
    let mut piece = input.len().div_ceil(2);
    while piece > 0 && n_tries < TRIES_MAX {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < input.len() && n_tries < TRIES_MAX {
            let end = (at + piece).min(input.len());
            let without = [&input[..at], &input[end..]].concat();
            n_tries += 1;
            if fails(&without) {
                input = without;
                has_shrunk = true;
            } else {
                at = end;
            }
        }
        if !has_shrunk {
            piece /= 2;
        }
    }
    input
}
