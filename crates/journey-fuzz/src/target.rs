//! What can be fuzzed.

/// Something that reads bytes which others wrote.
pub(crate) trait Target {
    /// Its name on the command line and of its folder in `corpus/`.
    fn name(&self) -> &'static str;

    /// What it reads, in a few words.
    fn about(&self) -> &'static str;

    /// Inputs to begin with, beside those in its folder.
    fn seeds(&self) -> Vec<Vec<u8>>;

    /// Words that its inputs are made of.
    fn dictionary(&self) -> &'static [&'static str] {
        &[]
    }

    /// The longest input worth trying.
    fn size_bytes_max(&self) -> usize {
        4_096
    }

    /// Reads the input and tells what came of it as a number: inputs with an outcome not seen before are kept and
    /// mutated further. Must give the same for the same input.
    ///
    /// # Panics
    /// When it finds a bug.
    fn run(&self, input: &[u8]) -> u64;
}

/// A number for what an input came to.
pub(crate) fn outcome_of(outcome: &impl std::hash::Hash) -> u64 {
    use std::hash::Hasher as _;
    let mut hasher = std::hash::DefaultHasher::new();
    outcome.hash(&mut hasher);
    hasher.finish()
}

/// The shape of a message: its words without numbers, names and quoted parts, so that kinds of problems count and not
/// each of their texts.
pub(crate) fn shape_of(message: &str) -> String {
    let words = message.split_whitespace();
    let plain = words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == ','));
    plain.take(12).collect::<Vec<_>>().join(" ")
}
