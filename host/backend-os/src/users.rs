//! Which users of the host a sandbox's users are: a range of its own for each, so that no two sandboxes share one.

use std::collections::BTreeSet;
use std::sync::Arc;

use mimobox_confine::IdRange;
use parking_lot::Mutex;

/// Ranges of users that are free or taken.
#[derive(Debug)]
pub(crate) struct Users {
    base: u32,
    count: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    taken: BTreeSet<u32>,
    next: u32,
}

/// A range that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct UserRange {
    users: Arc<Users>,
    place: u32,
}

impl Users {
    /// Ranges from `base` on; none where not even one fits. `seed` spreads the hosts of one machine, which do not know of each
    /// other: they begin at different places.
    pub(crate) fn new(base: u32, seed: u32) -> Option<Self> {
        // The last user of all, 2^32 - 1, means "none".
        let count = (u32::MAX - base) / IdRange::LENGTH;
        let next = seed.wrapping_mul(64).checked_rem(count)?;
        Some(Self { base, count, state: Mutex::new(State { taken: BTreeSet::new(), next }) })
    }

    /// Takes a free range. A range that was given back is taken again as late as possible.
    pub(crate) fn take(self: &Arc<Self>) -> Option<UserRange> {
        let mut state = self.state.lock();
        for offset in 0..self.count {
            let place = (state.next + offset) % self.count;
            if state.taken.insert(place) {
                state.next = (place + 1) % self.count;
                return Some(UserRange { users: Arc::clone(self), place });
            }
        }
        None
    }
}

impl UserRange {
    pub(crate) fn ids(&self) -> IdRange {
        IdRange { base: self.users.base + self.place * IdRange::LENGTH }
    }
}

impl Drop for UserRange {
    fn drop(&mut self) {
        self.users.state.lock().taken.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(ranges: u32) -> Arc<Users> {
        Arc::new(Users::new(u32::MAX - ranges * IdRange::LENGTH, 0).unwrap())
    }

    #[test]
    fn no_two_sandboxes_share_a_user() {
        let users = users(3);
        let ranges: Vec<_> = std::iter::from_fn(|| users.take()).collect();
        let bases: BTreeSet<_> = ranges.iter().map(|range| range.ids().base).collect();
        assert_eq!(bases.len(), 3);
        assert!(bases.iter().zip(bases.iter().skip(1)).all(|(low, high)| high - low >= IdRange::LENGTH));
    }

    #[test]
    fn a_range_that_is_given_back_can_be_taken_again() {
        let users = users(1);
        let first = users.take().unwrap();
        assert!(users.take().is_none());
        drop(first);
        assert!(users.take().is_some());
    }

    #[test]
    fn a_range_is_not_taken_again_while_another_was_never_used() {
        let users = users(2);
        let first = users.take().unwrap().ids();
        assert_ne!(users.take().unwrap().ids(), first);
    }

    #[test]
    fn a_base_without_room_for_one_sandbox_is_refused() {
        assert!(Users::new(u32::MAX - 10, 0).is_none());
    }
}
