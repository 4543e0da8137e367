//! Which variant of a channel a customer gets: the one for their locale, or the nearest there is.
//!
//! ```text
//!   zh-Hant-TW ──► zh-Hant-TW ──► zh-Hant ──► zh ──► the variant without locale ──► the first listed
//! ```

use std::fmt;

use super::Variant;

/// A variant with the reason why it is that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocaleChoice<'c> {
    /// Its place among the variants of the channel, 0 for the first listed.
    pub position: usize,
    /// The variant.
    pub variant: &'c Variant,
    /// How it fits the customer.
    pub fit: LocaleFit,
}

/// How a variant fits the customer's locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocaleFit {
    /// The channel has one variant for everybody.
    Only,
    /// It is for this very locale.
    Exact,
    /// It is for the language, or the language in this script.
    Language,
    /// None is for the locale: it is the one without locale.
    Unlocalized,
    /// None is for the locale and there is none without: it is the first listed.
    FirstListed,
}

impl fmt::Display for LocaleFit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Only => "the only variant",
            Self::Exact => "the customer's locale",
            Self::Language => "the language of the customer's locale",
            Self::Unlocalized => "the variant for all other locales",
            Self::FirstListed => "the first listed, for none fits",
        })
    }
}

/// Chooses among the variants of one channel; `None` when there are none.
pub(super) fn choose<'c>(
    variants: &'c [Variant],
    locale: Option<&str>,
) -> Option<LocaleChoice<'c>> {
    let found = |position: usize, fit| {
        let variant = variants.get(position)?;
        Some(LocaleChoice {
            position,
            variant,
            fit,
        })
    };
    if let [Variant { locale: None, .. }] = variants {
        return found(0, LocaleFit::Only);
    }
    let of = |wanted: &str| {
        let is_it = |variant: &Variant| {
            variant
                .locale
                .as_deref()
                .is_some_and(|own| same(own, wanted))
        };
        variants.iter().position(is_it)
    };
    let mut fit = LocaleFit::Exact;
    let mut wanted = locale;
    while let Some(tag) = wanted {
        if let Some(position) = of(tag) {
            return found(position, fit);
        }
        fit = LocaleFit::Language;
        wanted = tag.rfind(['-', '_']).map(|end| &tag[..end]);
    }
    match variants.iter().position(|variant| variant.locale.is_none()) {
        Some(position) => found(position, LocaleFit::Unlocalized),
        None => found(0, LocaleFit::FirstListed),
    }
}

/// Tags of one locale, however they are written: `en_gb` is `en-GB`.
fn same(left: &str, right: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'_' => b'-',
        other => other.to_ascii_lowercase(),
    };
    left.len() == right.len() && left.bytes().map(plain).eq(right.bytes().map(plain))
}

/// A locale as it should be written, such as `en`, `en-GB`, `zh-Hant-TW`; `None` when it is none.
pub(crate) fn canonical_locale(text: &str) -> Option<String> {
    let mut parts = Vec::new();
    for (position, part) in text.split(['-', '_']).enumerate() {
        let is_word = part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_alphabetic = part.bytes().all(|byte| byte.is_ascii_alphabetic());
        parts.push(match (position, part.len()) {
            (0, 2..=3) if is_alphabetic => part.to_ascii_lowercase(),
            (1.., 2) if is_alphabetic => part.to_ascii_uppercase(),
            (1.., 4) if is_alphabetic => {
                part[..1].to_ascii_uppercase() + &part[1..].to_ascii_lowercase()
            }
            (1.., 3..=8) if is_word => part.to_ascii_lowercase(),
            _ => return None,
        });
    }
    (parts.len() <= 4).then(|| parts.join("-"))
}

#[cfg(test)]
mod tests;
