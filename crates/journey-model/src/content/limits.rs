//! Bounds of content, each with its reason.

use journey_types::limits::TURN_SIZE_BYTES_MAX;

/// Bytes of one template: a whole HTML e-mail with its styles.
pub(crate) const TEMPLATE_SIZE_BYTES_MAX: usize = 64 * 1024;
/// Fields of one variant: subject, preheader, body, text and what a channel may add.
pub(crate) const FIELDS_PER_VARIANT_MAX: usize = 16;
/// Bytes of one `{{ … }}` or `{% … %}`: it bounds the texts that one tag can join in memory.
pub(crate) const TAG_SIZE_BYTES_MAX: usize = 1024;
/// Bytes of one rendered field, and of one text that a filter makes.
pub(crate) const FIELD_SIZE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all rendered fields of one message: they are recorded in the turn that grants it.
pub(crate) const MESSAGE_SIZE_BYTES_MAX: usize = 128 * 1024;
/// Instructions of one rendering: some ten milliseconds at most.
pub(crate) const FUEL: u64 = 50_000;
/// How deep one rendering may recurse: tags and values nest far less.
pub(crate) const RECURSION_MAX: usize = 64;
/// Bytes of a template that a message quotes.
pub(crate) const UNDERLINE_SIZE_BYTES_MAX: usize = 80;
/// Problems reported of one template: beyond it the first ones explain the rest.
pub(crate) const PROBLEMS_MAX: usize = 20;

const _: () = assert!(
    MESSAGE_SIZE_BYTES_MAX * 4 <= TURN_SIZE_BYTES_MAX,
    "a turn carries several messages"
);
