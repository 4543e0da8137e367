//! Bounds of the authoring side, each with its reason.

/// Steps of one journey: JOURNEYS section 3; a step's index fits 16 bits.
pub const STEPS_PER_JOURNEY_MAX: usize = 1_000;
/// Running instances of one key that `concurrent` may allow: all a customer may have.
pub const CONCURRENT_MAX: i64 = 1_000;
/// Branches of one wait, arms of one split, rules of one list: each is tried for every event of the customer.
pub const RULES_PER_LIST_MAX: usize = 100;
/// Values of one YAML file, aliases counted in full: a journey of 1,000 steps has some 20,000.
pub(crate) const YAML_NODES_MAX: usize = 250_000;
/// Nesting of YAML: the deepest document of the language has 8 levels.
pub(crate) const YAML_DEPTH_MAX: usize = 64;
/// Bytes of one source: far above any journey, far below what would make a publish slow.
pub const SOURCE_SIZE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Problems reported per source: beyond it nobody reads on.
pub(crate) const DIAGNOSTICS_PER_SOURCE_MAX: usize = 500;
/// Bytes of a title, an owner, an exit's reason or an outcome: lines for people and for tables.
pub(crate) const LINE_SIZE_BYTES_MAX: usize = 256;

const _: () = assert!(
    STEPS_PER_JOURNEY_MAX <= u16::MAX as usize,
    "a step index has 16 bits"
);
