//! Bounds of expressions, each with its reason (JOURNEYS section 5).

use journey_types::TimeSpan;
use journey_types::limits::{DELAY_MAX, PROPERTIES_SIZE_BYTES_MAX, VALUE_DEPTH_MAX};

/// Bytes of a source: JOURNEYS section 5; it keeps the parser's worst case at a few milliseconds.
pub(crate) const SOURCE_SIZE_BYTES_MAX: usize = 4 * 1024;
/// Nodes of an expression: JOURNEYS section 5.
pub(crate) const NODES_MAX: usize = 500;
/// How deep nodes nest: evaluation recurses once per level, and a thread of 2 MiB carries many times this.
pub(crate) const NODE_DEPTH_MAX: usize = 64;
/// How deep the parser may recurse into parentheses and arguments: it spends a dozen stack frames a level.
pub(crate) const PARSE_DEPTH_MAX: u16 = 48;
/// Comprehensions inside comprehensions: JOURNEYS section 5.
pub(crate) const COMPREHENSION_DEPTH_MAX: usize = 2;
/// Problems reported of one source: beyond it the first ones explain the rest.
pub(crate) const PROBLEMS_MAX: usize = 20;
/// Items of a list that is walked or built: more than any profile lists by hand, and two levels of it stay within
/// [`STEPS_MAX`] before they can stall a partition.
pub(crate) const LIST_ITEMS_MAX: usize = 1_000;
/// Units of work of one evaluation (about one node, one item or 64 bytes of text each): some milliseconds at most.
pub(crate) const STEPS_MAX: u32 = 100_000;
/// Bytes of text per unit of work.
pub(crate) const TEXT_BYTES_PER_STEP: usize = 64;
/// Bytes of a text or value that an expression makes: what one event may carry in all its properties.
pub(crate) const RESULT_SIZE_BYTES_MAX: usize = PROPERTIES_SIZE_BYTES_MAX;
/// Bytes of a compiled pattern of `matches`: plain patterns take a few KiB; this refuses `(\w{500}){500}`.
pub(crate) const PATTERN_SIZE_BYTES_MAX: usize = 512 * 1024;
/// The longest window of a `history` call: the longest time a journey can look ahead, looked back.
pub(crate) const WINDOW_MAX: TimeSpan = DELAY_MAX;

const _: () = assert!(
    NODE_DEPTH_MAX > VALUE_DEPTH_MAX,
    "a value of any legal depth can be written down"
);
const _: () = assert!(
    LIST_ITEMS_MAX < STEPS_MAX as usize,
    "a list of legal length can be walked"
);
