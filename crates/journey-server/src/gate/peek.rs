//! Looks into the first bytes of an `IngestRequest` as it lies in a gRPC body: whose it is and how much it holds. What does
//! not read is left to the decoder behind, which says what is wrong with it.

use crate::limits::EVENTS_PER_BATCH_MAX;

/// Bytes before a gRPC message: whether it is compressed, and its length.
const PREFIX_SIZE_BYTES: usize = 5;
/// `IngestRequest.events`.
const EVENTS_FIELD: u64 = 1;
/// `CustomerEvent.workspace`.
const WORKSPACE_FIELD: u64 = 1;
/// Longest workspace that is told apart; no longer one is valid.
const WORKSPACE_SIZE_BYTES_MAX: usize = 256;

/// What was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Peeked {
    /// Of the first event, as it stands there.
    pub(super) workspace: String,
    /// Events of the message; where only a part of it is there, as many as the whole will have if the rest is alike.
    pub(super) n_events: usize,
    /// Bytes of the body, by what stands before the message.
    pub(super) body_size_bytes: usize,
    /// The first event was there as a whole.
    pub(super) is_enough: bool,
}

/// Looks at the first bytes of a body.
pub(super) fn peek(body: &[u8]) -> Peeked {
    let Some((prefix, message)) = body.split_at_checked(PREFIX_SIZE_BYTES) else {
        return Peeked::default();
    };
    let size = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    let size_bytes = usize::try_from(size).unwrap_or(usize::MAX);
    let mut peeked = Peeked {
        body_size_bytes: size_bytes.saturating_add(PREFIX_SIZE_BYTES),
        is_enough: message.len() >= size_bytes,
        ..Peeked::default()
    };
    let is_compressed = prefix[0] != 0;
    if is_compressed {
        peeked.is_enough = true;
        return peeked;
    }
    let message = &message[..message.len().min(size_bytes)];
    let mut fields = Fields(message);
    let (mut n_events, mut read) = (0_usize, 0);
    while let Some((field, value)) = fields.next_field() {
        read = message.len() - fields.0.len();
        if field != EVENTS_FIELD {
            continue;
        }
        if n_events == 0 {
            peeked.workspace = workspace_of(value);
            peeked.is_enough = true;
        }
        n_events += 1;
    }
    peeked.n_events = if read < size_bytes && read > 0 {
        n_events.saturating_mul(size_bytes) / read
    } else {
        n_events
    }
    .min(EVENTS_PER_BATCH_MAX);
    peeked
}

fn workspace_of(event: &[u8]) -> String {
    let mut fields = Fields(event);
    while let Some((field, value)) = fields.next_field() {
        if field == WORKSPACE_FIELD && value.len() <= WORKSPACE_SIZE_BYTES_MAX {
            return String::from_utf8_lossy(value).into_owned();
        }
    }
    String::new()
}

/// Fields of a message, as far as it is there.
struct Fields<'m>(&'m [u8]);

impl<'m> Fields<'m> {
    /// The number of the next whole field, and its bytes where it has a length.
    fn next_field(&mut self) -> Option<(u64, &'m [u8])> {
        let mut rest = self.0;
        let tag = varint(&mut rest)?;
        let size_bytes = match tag & 7 {
            0 => {
                varint(&mut rest)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(size_bytes)?;
        self.0 = rest;
        Some((tag >> 3, value))
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
