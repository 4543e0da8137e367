//! A scrape is read by series; quantiles are those of what came since.

use super::Scrape;

const BEFORE: &str = "\
# TYPE late histogram
late_bucket{le=\"0.01\"} 10
late_bucket{le=\"0.1\"} 10
late_bucket{le=\"+Inf\"} 10
inflight 3
disk{tree=\"log\"} 1.5e3
";
const AFTER: &str = "\
late_bucket{le=\"0.01\"} 12
late_bucket{le=\"0.1\"} 20
late_bucket{le=\"+Inf\"} 20
";

#[test]
fn series_are_read_with_their_labels() {
    let scrape = Scrape::parse(BEFORE);
    assert_eq!(scrape.value("inflight"), Some(3.0));
    assert_eq!(scrape.value("disk{tree=\"log\"}"), Some(1_500.0));
    assert_eq!(scrape.value("disk"), None);
}

#[test]
fn quantiles_are_of_what_came_since() {
    let (before, after) = (Scrape::parse(BEFORE), Scrape::parse(AFTER));
    assert_eq!(after.quantile_since(&before, "late", 0.99), Some(0.1));
    assert_eq!(after.quantile_since(&before, "late", 0.2), Some(0.01));
    assert_eq!(before.quantile_since(&before, "late", 0.5), None);
    // Started anew: everything it counts is new.
    assert_eq!(before.quantile_since(&after, "late", 0.5), Some(0.01));
}
