//! Instants.

use journey_types::Timestamp;

/// An instant to whole milliseconds, clamped to 1970..9999.
#[must_use]
pub fn timestamp_from_wire(instant: &pbjson_types::Timestamp) -> Timestamp {
    let ms = instant
        .seconds
        .saturating_mul(1_000)
        .saturating_add(i64::from(instant.nanos) / 1_000_000);
    Timestamp::from_unix_ms(ms)
}

/// An instant as it is sent.
#[must_use]
pub fn timestamp_to_wire(instant: Timestamp) -> pbjson_types::Timestamp {
    let unix_ms = instant.unix_ms();
    pbjson_types::Timestamp {
        seconds: unix_ms.div_euclid(1_000),
        nanos: i32::try_from(unix_ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0),
    }
}
