//! What is packed comes out again, the newest of it.

use proptest::prelude::*;

use super::*;

fn entry() -> impl Strategy<Value = TimelineEntry> {
    let instance = prop::option::of(any::<u64>());
    (any::<i64>(), any::<u64>(), instance, ".{0,40}").prop_map(|(ms, sequence, instance, text)| {
        TimelineEntry {
            stamp: Timestamp::from_unix_ms(ms),
            sequence: Sequence::new(sequence),
            instance: instance.map(InstanceNumber::new),
            text: text.into(),
        }
    })
}

proptest! {
    #[test]
    fn the_newest_lines_come_out_as_they_went_in(
        entries in prop::collection::vec(entry(), 0..2 * TIMELINE_ENTRIES_MAX)
    ) {
        let timeline: Timeline = entries.iter().cloned().collect();
        let first = entries.len().saturating_sub(TIMELINE_ENTRIES_MAX);
        prop_assert_eq!(timeline.iter().collect::<Vec<_>>(), &entries[first..]);
        prop_assert_eq!(timeline.len(), entries.len() - first);
        prop_assert_eq!(timeline.is_empty(), entries.is_empty());
        let again: Timeline = timeline.iter().collect();
        prop_assert_eq!(&again, &timeline);
        prop_assert_eq!(Timeline::from_packed(timeline.packed()), Some(timeline));
    }

    #[test]
    fn bytes_that_are_no_lines_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(timeline) = Timeline::from_packed(&bytes) {
            prop_assert_eq!(timeline.packed(), &bytes);
            let again: Timeline = timeline.iter().collect();
            prop_assert_eq!(again, timeline);
        }
    }

    #[test]
    fn cut_and_flipped_lines_are_refused_or_other_lines(
        entries in prop::collection::vec(entry(), 1..4),
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
    ) {
        let timeline: Timeline = entries.into_iter().collect();
        let mut bytes = timeline.packed().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Some(other) = Timeline::from_packed(&bytes) {
            let again: Timeline = other.iter().collect();
            prop_assert_eq!(again, other);
        }
        if let Some(cut) = Timeline::from_packed(&bytes[..at]) {
            prop_assert!(cut.len() < timeline.len());
        }
    }
}

#[test]
fn a_line_takes_little_more_than_its_text() {
    let mut timeline = Timeline::default();
    let stamp = Timestamp::from_unix_ms(1_800_000_000_000);
    let instance = Some(InstanceNumber::new(3));
    timeline.push(stamp, (Sequence::new(900), instance), "event advanced");
    assert_eq!(timeline.size_bytes(), 11 + "event advanced".len());
}
