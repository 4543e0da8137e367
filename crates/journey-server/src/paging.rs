//! Pages: sizes with bounds, and tokens that name where the next page begins.

use crate::error::ServerError;
use crate::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};

/// The page size asked for; 0 means the default.
///
/// # Errors
/// [`ServerError::Invalid`] above the limit.
pub(crate) fn page_size(asked: u32) -> Result<usize, ServerError> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT),
        Ok(size) if size <= PAGE_SIZE_MAX => Ok(size),
        Ok(_) | Err(_) => Err(ServerError::invalid(
            "page_size",
            format!("is {asked}, at most {PAGE_SIZE_MAX} is allowed"),
        )),
    }
}

/// A token out of a partition (or other number) and the last item's name.
pub(crate) fn token_text(number: u32, last: &str) -> String {
    format!("{number}:{last}")
}

/// The parts of a token; `None` for the first page.
///
/// # Errors
/// [`ServerError::Invalid`] for a text that this node did not make.
pub(crate) fn token_parts(token: &str) -> Result<Option<(u32, String)>, ServerError> {
    if token.is_empty() {
        return Ok(None);
    }
    let parts = token
        .split_once(':')
        .and_then(|(number, last)| Some((number.parse().ok()?, last.to_owned())));
    parts.map(Some).ok_or_else(|| {
        ServerError::invalid(
            "page_token",
            "is not a token of this list; leave it empty for the first page",
        )
    })
}
