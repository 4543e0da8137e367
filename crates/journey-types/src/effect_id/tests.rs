//! The effect id is a contract with workers: its text is golden.

use super::{EffectId, EffectOrigin};
use crate::{BirthIndex, CustomerId, CustomerKey, Incarnation, Sequence, WorkspaceId};

#[test]
fn text_form_is_golden_and_reads_back() {
    let id = EffectId {
        origin: EffectOrigin {
            cluster_id: 0xc0ffee,
            incarnation: Incarnation::new(1),
        },
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("ann~o'neil é").unwrap(),
        },
        birth: BirthIndex::new(12),
        sequence: Sequence::new(5),
        ordinal: 0,
    };
    let text = "e1~0000000000c0ffee~1~default~ann%7Eo%27neil%20%C3%A9~12~5~0";
    assert_eq!(id.to_string(), text);
    assert_eq!(text.parse::<EffectId>().unwrap(), id);
}

#[test]
fn a_text_that_is_no_effect_id_is_refused() {
    for text in [
        "",
        "e1",
        "e2~0~1~a~b~1~1~0",
        "e1~zz~1~a~b~1~1~0",
        "e1~0~1~a~%zz~1~1~0",
    ] {
        assert!(text.parse::<EffectId>().is_err(), "{text}");
    }
}
