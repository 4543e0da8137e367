//! Strategies for what instances enter by.

use std::sync::Arc;

use journey_customer::{Enrollment, Entrance};
use journey_types::{CustomerKey, EnrollmentId, JourneyId};
use proptest::prelude::*;

use super::{customer_event, id, values};

pub(crate) fn enrollment() -> BoxedStrategy<Arc<Enrollment>> {
    (id::<JourneyId>(), id::<EnrollmentId>(), values())
        .prop_map(|(journey, id, input)| Arc::new(Enrollment { journey, id, input }))
        .boxed()
}

pub(crate) fn entrance(key: CustomerKey) -> BoxedStrategy<Entrance> {
    prop_oneof![
        3 => customer_event(key).prop_map(Entrance::Event),
        1 => enrollment().prop_map(Entrance::Enrolled),
    ]
    .boxed()
}
