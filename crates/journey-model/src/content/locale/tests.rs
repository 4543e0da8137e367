//! Claims about the fallback from locale to language to what there is.

use std::collections::BTreeMap;

use super::{LocaleFit, canonical_locale, choose};
use crate::content::Variant;

fn chosen(locales: &[Option<&str>], wanted: Option<&str>) -> (usize, LocaleFit) {
    let variants: Vec<Variant> = locales
        .iter()
        .map(|locale| Variant {
            locale: locale.map(str::to_owned),
            fields: BTreeMap::new(),
        })
        .collect();
    let choice = choose(&variants, wanted).expect("there are variants");
    (choice.position, choice.fit)
}

#[test]
fn the_nearest_variant_is_chosen() {
    let all = [Some("en"), Some("en-GB"), None, Some("zh-Hant")];
    let table = [
        (Some("en-GB"), (1, LocaleFit::Exact)),
        (Some("en_gb"), (1, LocaleFit::Exact)),
        (Some("en"), (0, LocaleFit::Exact)),
        (Some("en-US"), (0, LocaleFit::Language)),
        (Some("zh-Hant-TW"), (3, LocaleFit::Language)),
        (Some("zh"), (2, LocaleFit::Unlocalized)),
        (Some("fr-FR"), (2, LocaleFit::Unlocalized)),
        (Some("no tag at all -"), (2, LocaleFit::Unlocalized)),
        (None, (2, LocaleFit::Unlocalized)),
    ];
    for (wanted, expected) in table {
        assert_eq!(chosen(&all, wanted), expected, "{wanted:?}");
    }
    let without_default = [Some("de"), Some("en")];
    assert_eq!(
        chosen(&without_default, Some("fr")),
        (0, LocaleFit::FirstListed)
    );
    assert_eq!(chosen(&[None], Some("fr")), (0, LocaleFit::Only));
    assert_eq!(choose(&[], Some("en")), None);
}

#[test]
fn locales_have_one_form() {
    let table = [
        ("en", Some("en")),
        ("EN_gb", Some("en-GB")),
        ("zh-hant-tw", Some("zh-Hant-TW")),
        ("es-419", Some("es-419")),
        ("english", None),
        ("e", None),
        ("en-", None),
        ("", None),
        ("en-ü", None),
    ];
    for (text, expected) in table {
        assert_eq!(canonical_locale(text).as_deref(), expected, "{text}");
    }
}
