//! The head row of a customer: what index rows it calls for, and the customer itself or where its parts lie.
//!
//! ```text
//!   format (1), kind (1), mark (8), due (8), filed at (8), set aside since (8), first segment (8), open effects (1),
//!   form (1), body
//!
//!   form 0   length (4) and head, then part (9), length (4) and bytes of each part: the whole customer
//!   form 1   head; the parts lie in rows of their own
//!   form 2   nothing: the head is too long and lies in rows as a part does
//! ```
//!
//! The one kind is a living customer; the tombstone of an erased one will be another, refused by this release.

use bytes::{Buf as _, Bytes};
use journey_codec::{PART_ID_SIZE_BYTES, PartId};
use journey_customer::CustomerState;
use journey_types::{Lsn, Timestamp};

const FORMAT_VERSION: u8 = 1;
const LIVING: u8 = 1;
const NEVER: u64 = u64::MAX;
const HEADER_SIZE_BYTES: usize = 1 + 1 + 8 + 8 + 8 + 8 + 8 + 1 + 1;
const LENGTH_SIZE_BYTES: usize = 4;

/// What other rows a head calls for, and the last entry that it reflects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replica) struct HeadIndex {
    pub(in crate::replica) mark: Lsn,
    /// When it has something to do by itself.
    pub(in crate::replica) due_at: Option<Timestamp>,
    /// Where its timer row lies: at `due_at`, or before it.
    pub(in crate::replica) filed_at: Option<Timestamp>,
    pub(in crate::replica) set_aside_since: Option<Timestamp>,
    /// The lowest segment of event ids that may have a row.
    pub(in crate::replica) first_segment: u64,
    pub(in crate::replica) has_open_effects: bool,
}

/// Where the customer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replica) enum Form {
    Inline,
    Parts,
    LongHead,
}

/// What a customer's rows are known to hold, so that the head need not be read before it is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replica) struct Written {
    pub(in crate::replica) index: HeadIndex,
    pub(in crate::replica) form: Form,
}

/// A head row taken apart as far as needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeadRow {
    pub(super) index: HeadIndex,
    pub(super) form: Form,
    pub(super) body: Bytes,
}

impl HeadIndex {
    pub(in crate::replica) fn of(state: &CustomerState, mark: Lsn) -> Self {
        let due_at = state.next_wake_at();
        Self {
            mark,
            due_at,
            filed_at: due_at,
            set_aside_since: state.set_aside_since(),
            first_segment: state.dedupe.first_segment(),
            has_open_effects: !state.outbox.is_empty(),
        }
    }

    /// Leaves the timer row where it is, if it lies behind that instant and before the timer: far ahead a row is not
    /// moved each time that its timer moves further.
    pub(super) fn file_as(&mut self, old: &Self, far: Timestamp) {
        let stays = old
            .filed_at
            .filter(|at| *at > far && Some(*at) <= self.due_at);
        self.filed_at = stays.or(self.due_at);
    }

    /// Whether its timer row lies before its timer.
    pub(in crate::replica) fn is_filed_early(&self) -> bool {
        self.filed_at < self.due_at
    }

    pub(super) fn calls_for_the_same(&self, other: &Self) -> bool {
        self.filed_at == other.filed_at
            && self.set_aside_since == other.set_aside_since
            && self.has_open_effects == other.has_open_effects
    }
}

/// A part as it lies in a row.
pub(super) type PartBytes<'a> = (PartId, &'a [u8]);

impl HeadRow {
    pub(super) const fn new(index: HeadIndex, form: Form, body: Bytes) -> Self {
        Self { index, form, body }
    }

    /// The whole customer in one row.
    pub(super) fn inline(index: HeadIndex, head: &[u8], parts: &[(PartId, Bytes)]) -> Self {
        let size_bytes = head.len() + parts.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let mut body = Vec::with_capacity(Self::inline_size_bytes(size_bytes, parts.len()));
        push_led_by_length(&mut body, head);
        for (part, bytes) in parts {
            body.extend(part.to_bytes());
            push_led_by_length(&mut body, bytes);
        }
        Self::new(index, Form::Inline, Bytes::from(body))
    }

    /// What the row takes with head and parts of that size in it.
    pub(super) const fn inline_size_bytes(size_bytes: usize, n_parts: usize) -> usize {
        let overhead = (n_parts + 1) * LENGTH_SIZE_BYTES + n_parts * PART_ID_SIZE_BYTES;
        HEADER_SIZE_BYTES + overhead + size_bytes
    }

    pub(super) fn size_bytes(&self) -> usize {
        HEADER_SIZE_BYTES + self.body.len()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(self.size_bytes());
        push_header(&mut row, &self.index, self.form);
        row.extend_from_slice(&self.body);
        row
    }

    /// Reads a row; the error says what does not fit.
    pub(super) fn parse(row: Vec<u8>) -> Result<Self, String> {
        let mut row = Bytes::from(row);
        if row.len() < HEADER_SIZE_BYTES {
            return Err(format!("its {} bytes are too few", row.len()));
        }
        let (version, kind) = (row.get_u8(), row.get_u8());
        if version != FORMAT_VERSION {
            return Err(format!(
                "it has format {version}, and this release reads format {FORMAT_VERSION}"
            ));
        }
        if kind != LIVING {
            return Err(format!("its kind {kind} is not known"));
        }
        let mark = Lsn::new(row.get_u64());
        let due_at = instant(row.get_u64())?;
        let filed_at = instant(row.get_u64())?;
        if filed_at.is_some() != due_at.is_some() || filed_at > due_at {
            return Err("its timer row does not fit its timer".to_owned());
        }
        let set_aside_since = instant(row.get_u64())?;
        let first_segment = row.get_u64();
        let has_open_effects = row.get_u8() != 0;
        let form = match row.get_u8() {
            0 => Form::Inline,
            1 => Form::Parts,
            2 => Form::LongHead,
            form => return Err(format!("its form {form} is not known")),
        };
        let index = HeadIndex {
            mark,
            due_at,
            filed_at,
            set_aside_since,
            first_segment,
            has_open_effects,
        };
        Ok(Self::new(index, form, row))
    }

    /// Head and parts of a row with the whole customer in it.
    pub(super) fn whole(&self) -> Result<(&[u8], Vec<PartBytes<'_>>), String> {
        let mut body = &self.body[..];
        let head = take_led_by_length(&mut body)?;
        let mut parts = Vec::with_capacity(8);
        while !body.is_empty() {
            let name = body.split_first_chunk::<PART_ID_SIZE_BYTES>();
            let (name, rest) = name.ok_or("a part's name is cut")?;
            body = rest;
            let part = PartId::from_bytes(*name).ok_or("a part has no known name")?;
            parts.push((part, take_led_by_length(&mut body)?));
        }
        Ok((head, parts))
    }
}

/// The whole customer in one row, as [`HeadRow::inline`] gives it, in one go.
pub(super) fn inline_bytes(index: &HeadIndex, head: &[u8], parts: &[(PartId, Bytes)]) -> Vec<u8> {
    let size_bytes = head.len() + parts.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let mut row = Vec::with_capacity(HeadRow::inline_size_bytes(size_bytes, parts.len()));
    push_header(&mut row, index, Form::Inline);
    push_led_by_length(&mut row, head);
    for (part, bytes) in parts {
        row.extend(part.to_bytes());
        push_led_by_length(&mut row, bytes);
    }
    row
}

fn push_header(row: &mut Vec<u8>, index: &HeadIndex, form: Form) {
    row.extend([FORMAT_VERSION, LIVING]);
    row.extend(index.mark.get().to_be_bytes());
    row.extend(instant_bytes(index.due_at));
    row.extend(instant_bytes(index.filed_at));
    row.extend(instant_bytes(index.set_aside_since));
    row.extend(index.first_segment.to_be_bytes());
    row.push(u8::from(index.has_open_effects));
    row.push(match form {
        Form::Inline => 0,
        Form::Parts => 1,
        Form::LongHead => 2,
    });
}

fn instant_bytes(instant: Option<Timestamp>) -> [u8; 8] {
    let ms = instant.map_or(NEVER, |instant| instant.unix_ms().unsigned_abs());
    ms.to_be_bytes()
}

fn instant(ms: u64) -> Result<Option<Timestamp>, String> {
    match ms {
        NEVER => Ok(None),
        ms => timestamp(ms)
            .map(Some)
            .ok_or_else(|| "an instant of it is out of range".to_owned()),
    }
}

fn timestamp(ms: u64) -> Option<Timestamp> {
    let ms = i64::try_from(ms).ok()?;
    let timestamp = Timestamp::from_unix_ms(ms);
    (timestamp.unix_ms() == ms).then_some(timestamp)
}

fn push_led_by_length(row: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("what goes into a row is short");
    row.extend(length.to_be_bytes());
    row.extend_from_slice(bytes);
}

fn take_led_by_length<'a>(row: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let length = row.split_first_chunk::<LENGTH_SIZE_BYTES>();
    let (length, rest) = length.ok_or("a length is cut")?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|error| error.to_string())?;
    let taken = rest.split_at_checked(length);
    let (taken, rest) =
        taken.ok_or_else(|| format!("{length} bytes are announced and {} left", rest.len()))?;
    *row = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests;
