//! A mailbox is a queue, whatever stands in its first place.

use std::collections::VecDeque;

use journey_customer::Command;
use proptest::prelude::*;

use super::*;
use crate::core::api::TicketId;
use crate::core::hosted::Origin;

fn mail(position: usize) -> Mail {
    Mail {
        command: Command::FireTimers,
        origin: Origin::Caller {
            ticket: TicketId(1),
            position,
        },
    }
}

fn position(mail: &Mail) -> usize {
    match mail.origin {
        Origin::Caller { position, .. } => position,
        Origin::Worker { .. } | Origin::Core | Origin::Unsent => {
            unreachable!("only callers' mail is put in")
        }
    }
}

proptest! {
    #[test]
    fn commands_come_out_in_the_order_in_which_they_went_in(pops in prop::collection::vec(any::<bool>(), 0..40)) {
        let (mut mailbox, mut expected) = (Mailbox::default(), VecDeque::new());
        for (number, pops) in pops.into_iter().enumerate() {
            if pops {
                prop_assert_eq!(mailbox.pop_front().map(|mail| position(&mail)), expected.pop_front());
            } else {
                mailbox.push_back(mail(number));
                expected.push_back(number);
            }
            prop_assert_eq!(mailbox.len(), expected.len());
            prop_assert_eq!(mailbox.is_empty(), expected.is_empty());
            let waiting: Vec<usize> = mailbox.iter().map(position).collect();
            prop_assert_eq!(&waiting, &Vec::from(expected.clone()));
        }
        let left: Vec<usize> = mailbox.into_iter().map(|mail| position(&mail)).collect();
        prop_assert_eq!(left, Vec::from(expected));
    }
}
