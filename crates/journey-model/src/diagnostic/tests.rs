//! The drawing of a problem.

use insta::assert_snapshot;

use super::{Diagnostic, Severity};
use crate::source::Source;

#[test]
fn the_offending_text_is_underlined_with_its_place() {
    let source = Source::new("a.yaml", "one: 1\n  zwei: über\r\nthree: 3\n");
    let start = source.text.find("über").unwrap();
    let mut diagnostic = Diagnostic::at(
        Severity::Error,
        &source,
        start..start + "über".len(),
        "no such word".to_owned(),
    );
    diagnostic.suggestion = Some("write `over`".to_owned());
    assert_snapshot!(diagnostic.render(), @r"
    error: no such word
     --> a.yaml:2:9
      |
    2 |   zwei: über
      |         ^^^^
      = write `over`
    ");
}

#[test]
fn a_range_over_lines_or_past_the_end_marks_what_there_is() {
    let source = Source::new("a.yaml", "ab: |\n  x\n");
    let mark = |range| {
        let found = Diagnostic::at(Severity::Warning, &source, range, String::new());
        (found.line, found.column, found.length)
    };
    assert_eq!(mark(0..9), (1, 1, 5));
    assert_eq!(mark(10..10), (3, 1, 1));
    assert_eq!(mark(100..200), (3, 1, 1));
}
