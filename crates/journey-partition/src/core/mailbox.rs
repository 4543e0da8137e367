//! What waits for a customer's next turns, in order. Most customers have one command at a time: that one takes no memory
//! of its own.

use std::collections::VecDeque;

use crate::core::hosted::Mail;

/// Commands in the order in which they came.
///
/// # Invariants
/// Nothing waits behind a first one that is not there.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    first: Option<Mail>,
    behind: VecDeque<Mail>,
}

impl Mailbox {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.behind.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push_back(&mut self, mail: Mail) {
        if self.first.is_none() {
            self.first = Some(mail);
        } else {
            self.behind.push_back(mail);
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<Mail> {
        let next = self.behind.pop_front();
        std::mem::replace(&mut self.first, next)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mail> {
        self.first.iter().chain(&self.behind)
    }
}

impl IntoIterator for Mailbox {
    type Item = Mail;
    type IntoIter =
        std::iter::Chain<std::option::IntoIter<Mail>, std::collections::vec_deque::IntoIter<Mail>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.behind)
    }
}

#[cfg(test)]
mod tests;
