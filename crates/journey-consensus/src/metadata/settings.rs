//! Small records that the whole cluster shares: quotas and feature gates, each changed by compare-and-set.

use std::collections::BTreeMap;

use crate::MetadataError;
use crate::limits::{SETTING_NAME_SIZE_BYTES_MAX, SETTING_VALUE_SIZE_BYTES_MAX, SETTINGS_MAX};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettingKind {
    /// What somebody may use, by name of the quota.
    Quota,
    /// Whether something new is in use, by name of the gate.
    Gate,
}

impl SettingKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Gate => "gate",
        }
    }
}

/// One record. What its value means is known to its reader alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The place in the metadata log of its last change, so never the same twice; what a change is compared with.
    pub version: u64,
    /// Its value.
    pub value: String,
}

/// All records by kind and name.
pub(super) type Settings = BTreeMap<(SettingKind, String), Setting>;

/// Checks everything about a change that does not depend on who else changes.
pub(super) fn check(
    kind: SettingKind,
    name: &str,
    value: Option<&str>,
) -> Result<(), MetadataError> {
    let fault = |reason: String| {
        Err(MetadataError::Setting {
            kind: kind.word(),
            name: name.chars().take(80).collect(),
            reason,
        })
    };
    if name.is_empty() || name.len() > SETTING_NAME_SIZE_BYTES_MAX {
        let size_bytes = name.len();
        return fault(format!(
            "its name has {size_bytes} bytes, it must have 1 to {SETTING_NAME_SIZE_BYTES_MAX}"
        ));
    }
    let size_bytes = value.map_or(0, str::len);
    if size_bytes > SETTING_VALUE_SIZE_BYTES_MAX {
        return fault(format!(
            "its value has {size_bytes} bytes, at most {SETTING_VALUE_SIZE_BYTES_MAX} fit"
        ));
    }
    Ok(())
}

/// Makes the change if the record is still at that version (0: it is not there) and there is room for it.
pub(super) fn change(
    settings: &mut Settings,
    key: &(SettingKind, String),
    (expected_version, index): (u64, u64),
    value: Option<&str>,
) -> bool {
    let version = settings.get(key).map_or(0, |setting| setting.version);
    let is_new = version == 0;
    if version != expected_version || (is_new && settings.len() >= SETTINGS_MAX) {
        return false;
    }
    match value {
        Some(value) => {
            let setting = Setting {
                version: index,
                value: value.to_owned(),
            };
            settings.insert(key.clone(), setting);
        }
        None => {
            settings.remove(key);
        }
    }
    true
}
