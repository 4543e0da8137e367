//! By what an instance enters: an event of the customer, or an enroll call.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::limits::{PROPERTIES_SIZE_BYTES_MAX, VALUE_DEPTH_MAX};
use journey_types::{CustomerEvent, EnrollmentId, JourneyId, Value};

use crate::size;

/// By what an instance entered; `entry` and `input` of its expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum Entrance {
    /// An event of the customer.
    Event(Arc<CustomerEvent>),
    /// An enroll call.
    Enrolled(Arc<Enrollment>),
}

impl Entrance {
    /// The event, if it was one.
    #[must_use]
    pub fn event(&self) -> Option<&CustomerEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Enrolled(_) => None,
        }
    }

    /// What the enroll call brought, if it was one.
    #[must_use]
    pub fn input(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Self::Event(_) => None,
            Self::Enrolled(enrollment) => Some(&enrollment.input),
        }
    }
}

/// One customer's part of an enroll call.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrollment {
    /// Into which journey.
    pub journey: JourneyId,
    /// The caller's id of it: a repeat within 7 days changes nothing.
    pub id: EnrollmentId,
    /// What it brings.
    pub input: BTreeMap<String, Value>,
}

impl Enrollment {
    /// Checks what ids alone cannot: size and depth of the input.
    ///
    /// # Errors
    /// What is wrong, led by a code.
    pub fn validate(&self) -> Result<(), String> {
        let size_bytes = size::of_values(&self.input);
        if size_bytes > PROPERTIES_SIZE_BYTES_MAX {
            return Err(format!(
                "input_too_large: the input takes {size_bytes} bytes, at most {PROPERTIES_SIZE_BYTES_MAX} are allowed; send a reference instead of the thing"
            ));
        }
        if !self.input.values().all(Value::depth_is_fine) {
            return Err(format!(
                "input_too_deep: the input nests deeper than {VALUE_DEPTH_MAX} levels"
            ));
        }
        Ok(())
    }
}
