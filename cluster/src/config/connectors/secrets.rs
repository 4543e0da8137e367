//! Reads secrets and certificates from files, no more of them than they may have.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use journey_delivery::Secret;
use journey_delivery::limits::SECRET_SIZE_BYTES_MAX;

/// Bytes of a file of certificates: a bundle of all public roots takes about 250 KiB.
const CERTIFICATES_SIZE_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) fn secret_of_file(path: &Path) -> Result<Secret, String> {
    // One byte more than is allowed, so that a file which is too long is noticed.
    let content = read(path, SECRET_SIZE_BYTES_MAX as u64 + 3)?;
    Secret::from_file_content(&content).map_err(|error| format!("{}: {error}", path.display()))
}

pub(super) fn secret_of_text(text: &str) -> Result<Secret, String> {
    Secret::from_file_content(text.as_bytes()).map_err(|error| error.to_string())
}

pub(super) fn certificates_of_file(path: &Path) -> Result<Vec<u8>, String> {
    let content = read(path, CERTIFICATES_SIZE_BYTES_MAX + 1)?;
    if content.len() as u64 > CERTIFICATES_SIZE_BYTES_MAX {
        return Err(format!(
            "{} is larger than {CERTIFICATES_SIZE_BYTES_MAX} bytes",
            path.display()
        ));
    }
    Ok(content)
}

fn read(path: &Path, n_max: u64) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut content = Vec::new();
    File::open(path)
        .map_err(cannot)?
        .take(n_max)
        .read_to_end(&mut content)
        .map_err(cannot)?;
    Ok(content)
}
