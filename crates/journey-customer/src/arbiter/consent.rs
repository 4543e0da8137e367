//! Consent: a message goes out only for a purpose the customer has granted.

use super::{Draft, Intent, Round};

/// Granted without asking unless a policy says otherwise: what a journey uses that names no purpose.
const SERVICE: &str = "service";

/// Every purpose but `service` is denied until a `consent` event grants it (JOURNEYS section 7).
pub(super) fn covers_purpose(
    _round: &Round<'_>,
    intent: &Intent<'_>,
    draft: &mut Draft,
) -> Result<(), &'static str> {
    if intent.plan.purpose != SERVICE {
        return Err("no_consent");
    }
    draft.why.push("purpose service".to_owned());
    Ok(())
}
