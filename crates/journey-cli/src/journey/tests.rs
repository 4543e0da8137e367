//! The last line of a check.

use super::*;

#[test]
fn a_check_ends_with_what_is_sound_and_what_is_not() {
    let journey = wire::DocumentSummary {
        kind: "journey".to_owned(),
        ..Default::default()
    };
    let one = std::slice::from_ref(&journey);
    assert_eq!(verdict(one, 0, 2), "1 journey: 0 errors, 2 warnings");
    assert_eq!(verdict(one, 3, 0), "3 errors, 0 warnings; sound: 1 journey");
    assert_eq!(
        verdict(&[], 4, 0),
        "4 errors, 0 warnings; no document is sound"
    );
}
