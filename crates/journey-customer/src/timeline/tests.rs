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
        prop_assert_eq!(again, timeline);
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
