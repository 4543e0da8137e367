//! What publish says about sources that are no good.

use super::fixture::ANYWHERE;
use crate::expression::Expression;

#[test]
fn bare_words_are_quoted_for_the_author() {
    let problems = Expression::compile("gold", &ANYWHERE).expect_err("an unknown name");
    assert_eq!(problems[0].suggestion.as_deref(), Some("'gold'"));
}
