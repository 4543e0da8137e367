//! Good files: their hashes, and that spelling does not change them.

use super::check_text;

/// The journey of JOURNEYS section 1, without what is not delivered yet.
const METER: &str = include_str!("meter.yaml");

#[test]
fn the_meter_journey_is_fine_and_its_hash_is_fixed() {
    let report = check_text(METER);
    assert_eq!(report.render(), "");
    let mut found: Vec<String> = report
        .documents
        .iter()
        .map(|document| {
            format!(
                "{} {} {}\n{}",
                document.kind, document.id, document.hash, document.canonical_json
            )
        })
        .collect();
    found.extend(report.new_aggregates);
    let found = found.join("\n");
    assert_eq!(found, include_str!("meter.golden").trim(), "\n{found}");
}
