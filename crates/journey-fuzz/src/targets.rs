//! All targets.

mod cel;
mod event_line;
mod log_recovery;
mod protobuf;
mod yaml;

use crate::target::Target;

/// Every target there is.
pub(crate) fn all() -> Vec<Box<dyn Target>> {
    vec![
        Box::new(yaml::Yaml),
        Box::new(cel::Cel),
        Box::new(event_line::EventLine),
        Box::new(protobuf::Protobuf),
        Box::new(log_recovery::LogRecovery),
    ]
}
