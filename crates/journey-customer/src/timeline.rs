//! The customer's latest happenings, packed into one piece of memory.
//!
//! Thirty-two lines as texts of their own take four times as much, and every turn, which works on a copy of its
//! customer, would count each of them up and down.
//!
//! ```text
//!   line: stamp (zigzag varint), sequence (varint), instance (0, or 1 and varint), length (varint), text
//! ```
//!
//! It is stored as it is packed: a customer read from its rows would else spend more on its lines than on all the rest.

use std::fmt;
use std::sync::Arc;

use journey_types::{InstanceNumber, Sequence, Timestamp};

use crate::limits::TIMELINE_ENTRIES_MAX;

/// A line of the customer's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub stamp: Timestamp,
    /// The fact behind it.
    pub sequence: Sequence,
    /// The instance it is about, if any.
    pub instance: Option<InstanceNumber>,
    /// What happened and why, in the printer's compact form, at most
    /// [`crate::limits::TIMELINE_TEXT_SIZE_BYTES_MAX`].
    pub text: Arc<str>,
}

/// A line as it lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineLine<'a> {
    /// When.
    pub stamp: Timestamp,
    /// The fact behind it.
    pub sequence: Sequence,
    /// The instance it is about, if any.
    pub instance: Option<InstanceNumber>,
    /// What happened and why.
    pub text: &'a str,
}

/// The latest things that happened, oldest first, at most [`crate::limits::TIMELINE_ENTRIES_MAX`].
///
/// # Invariants
/// `packed` holds exactly `n_entries` whole lines.
#[derive(PartialEq, Eq, Default)]
pub struct Timeline {
    packed: Vec<u8>,
    n_entries: u8,
}

const _: () = assert!(TIMELINE_ENTRIES_MAX <= 255, "they are counted in a byte");
/// The longest line but for its text: four varints of 64 bits and a tag.
const LINE_SIZE_BYTES_MAX: usize = 41;
/// Room behind the lines of a copy: every turn works on one, and adds a line or two.
const ROOM_SIZE_BYTES: usize = 64;

impl Timeline {
    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.n_entries)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n_entries == 0
    }

    /// All lines as they are packed, to be stored.
    #[must_use]
    pub const fn packed(&self) -> &[u8] {
        self.packed.as_slice()
    }

    /// Lines as [`Self::packed`] gave them; `None` where the bytes are no such lines.
    #[must_use]
    pub fn from_packed(packed: &[u8]) -> Option<Self> {
        let (mut rest, mut n_entries) = (packed, 0);
        while !rest.is_empty() {
            check_line(&mut rest)?;
            n_entries += 1;
            if n_entries > TIMELINE_ENTRIES_MAX {
                return None;
            }
        }
        Some(Self {
            packed: packed.to_vec(),
            n_entries: u8::try_from(n_entries).ok()?,
        })
    }

    /// What it takes in memory.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.packed.len()
    }

    /// Lines, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = TimelineEntry> + '_ {
        self.lines().map(|line| TimelineEntry {
            stamp: line.stamp,
            sequence: line.sequence,
            instance: line.instance,
            text: line.text.into(),
        })
    }

    /// Lines, oldest first, without copies of their texts.
    pub fn lines(&self) -> impl Iterator<Item = TimelineLine<'_>> + '_ {
        let mut rest = self.packed.as_slice();
        std::iter::from_fn(move || (!rest.is_empty()).then(|| take_line(&mut rest)))
    }

    /// Adds a line; the oldest ones make room.
    pub fn push(&mut self, stamp: Timestamp, of: (Sequence, Option<InstanceNumber>), text: &str) {
        let (sequence, instance) = of;
        let mut line = [0; LINE_SIZE_BYTES_MAX];
        let mut head = Head {
            bytes: &mut line,
            length: 0,
        };
        let ms = stamp.unix_ms();
        head.varint(((ms << 1) ^ (ms >> 63)).cast_unsigned());
        head.varint(sequence.get());
        head.varint(u64::from(instance.is_some()));
        if let Some(instance) = instance {
            head.varint(instance.get());
        }
        head.varint(text.len() as u64);
        let length = head.length;

        let n_dropped = (self.len() + 1).saturating_sub(TIMELINE_ENTRIES_MAX);
        let mut kept = self.packed.as_slice();
        for _ in 0..n_dropped {
            skip_line(&mut kept);
        }
        let n_bytes_dropped = self.packed.len() - kept.len();
        self.packed.drain(..n_bytes_dropped);
        self.packed.reserve_exact(length + text.len());
        self.packed.extend_from_slice(&line[..length]);
        self.packed.extend_from_slice(text.as_bytes());
        // At most 32.
        self.n_entries = self.n_entries + 1 - u8::try_from(n_dropped).unwrap_or(0);
    }
}

impl Clone for Timeline {
    fn clone(&self) -> Self {
        let mut packed = Vec::with_capacity(self.packed.len() + ROOM_SIZE_BYTES);
        packed.extend_from_slice(&self.packed);
        Self {
            packed,
            n_entries: self.n_entries,
        }
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<TimelineEntry> for Timeline {
    fn from_iter<I: IntoIterator<Item = TimelineEntry>>(entries: I) -> Self {
        let mut timeline = Self::default();
        for entry in entries {
            let of = (entry.sequence, entry.instance);
            timeline.push(entry.stamp, of, &entry.text);
        }
        timeline
    }
}

/// The numbers of a line as they are written.
struct Head<'a> {
    bytes: &'a mut [u8; LINE_SIZE_BYTES_MAX],
    length: usize,
}

impl Head<'_> {
    fn varint(&mut self, mut number: u64) {
        loop {
            let low = number.to_le_bytes()[0] & 0x7f;
            number >>= 7;
            self.bytes[self.length] = if number == 0 { low } else { low | 0x80 };
            self.length += 1;
            if number == 0 {
                return;
            }
        }
    }
}

fn take_varint(rest: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, behind) = rest.split_first().expect("only whole lines are packed");
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return number;
        }
    }
}

/// Takes a line off the front if it is one.
fn check_line(rest: &mut &[u8]) -> Option<()> {
    let zigzag = check_varint(rest)?;
    let ms = i64::try_from(zigzag >> 1)
        .ok()
        .filter(|_| zigzag & 1 == 0)?;
    if Timestamp::from_unix_ms(ms).unix_ms() != ms {
        return None;
    }
    check_varint(rest)?;
    match check_varint(rest)? {
        0 => {}
        1 => {
            check_varint(rest)?;
        }
        _ => return None,
    }
    let length = usize::try_from(check_varint(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    std::str::from_utf8(text).ok()?;
    *rest = behind;
    Some(())
}

/// Takes a varint off the front if it is whole, fits and is as short as it can be.
fn check_varint(rest: &mut &[u8]) -> Option<u64> {
    let length = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let last = rest[length - 1];
    let (fits, is_short) = (
        length < 10 || length == 10 && last <= 1,
        length == 1 || last > 0,
    );
    (fits && is_short).then(|| take_varint(rest))
}

fn take_text<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::try_from(take_varint(rest)).expect("it was the length of a text");
    let (text, behind) = rest.split_at(length);
    *rest = behind;
    text
}

fn skip_line(rest: &mut &[u8]) {
    take_varint(rest);
    take_varint(rest);
    if take_varint(rest) > 0 {
        take_varint(rest);
    }
    take_text(rest);
}

fn take_line<'a>(rest: &mut &'a [u8]) -> TimelineLine<'a> {
    let zigzag = take_varint(rest);
    let ms = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
    let sequence = Sequence::new(take_varint(rest));
    let instance = (take_varint(rest) > 0).then(|| InstanceNumber::new(take_varint(rest)));
    TimelineLine {
        stamp: Timestamp::from_unix_ms(ms),
        sequence,
        instance,
        text: std::str::from_utf8(take_text(rest)).expect("a text was packed"),
    }
}

#[cfg(test)]
mod tests;
