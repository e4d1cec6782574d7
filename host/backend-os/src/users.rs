//! Which users of the host a sandbox's users are: a range of its own for each, so that no two sandboxes share one, whichever
//! hosts of this machine they are of.
//!
//! The hosts agree by locks on one file, of which nobody reads or writes a byte: byte `n` is locked by whoever has user `n`.
//! The kernel lets go of a lock when its host ends, however that happens: "open file description locks" of fcntl_locking(2).

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use mimobox_confine::IdRange;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use parking_lot::Mutex;

/// The file. Gone after a restart of the machine, and so is all that it was about.
const LEDGER: &str = "/run/mimobox-users.lock";

/// Ranges of users that are free or taken.
#[derive(Debug)]
pub(crate) struct Users {
    base: u32,
    count: u32,
    ledger: File,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By this host: a lock does not keep out whoever holds it.
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
    /// Ranges from `base` on; none where not even one fits. `seed` spreads hosts that do not see each other's locks, such as
    /// those of two containers: they begin at different places.
    ///
    /// # Errors
    /// Those of opening the file of the locks.
    pub(crate) fn new(base: u32, seed: u32) -> io::Result<Option<Self>> {
        Self::by(Path::new(LEDGER), base, seed)
    }

    fn by(ledger: &Path, base: u32, seed: u32) -> io::Result<Option<Self>> {
        // The last user of all, 2^32 - 1, means "none".
        let count = (u32::MAX - base) / IdRange::LENGTH;
        let Some(next) = seed.wrapping_mul(64).checked_rem(count) else { return Ok(None) };
        // Nobody else may lock it: that would be to take all users away.
        let ledger = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(ledger)?;
        Ok(Some(Self { base, count, ledger, state: Mutex::new(State { taken: BTreeSet::new(), next }) }))
    }

    /// Takes a free range. A range that was given back is taken again as late as possible.
    pub(crate) fn take(self: &Arc<Self>) -> Option<UserRange> {
        let mut state = self.state.lock();
        for offset in 0..self.count {
            let place = (state.next + offset) % self.count;
            if !state.taken.contains(&place) && self.set_lock(place, libc::F_WRLCK) {
                state.taken.insert(place);
                state.next = (place + 1) % self.count;
                return Some(UserRange { users: Arc::clone(self), place });
            }
        }
        None
    }

    fn ids(&self, place: u32) -> IdRange {
        IdRange { base: self.base + place * IdRange::LENGTH }
    }

    /// Locks or unlocks the users of a place. False if another host has one of them.
    fn set_lock(&self, place: u32, kind: libc::c_int) -> bool {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "small constants, which libc gives another type than the fields"
        )]
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: i64::from(self.ids(place).base),
            l_len: i64::from(IdRange::LENGTH),
            // Must be 0: such a lock is no process's.
            l_pid: 0,
        };
        fcntl(&self.ledger, FcntlArg::F_OFD_SETLK(&lock)).is_ok()
    }
}

impl UserRange {
    pub(crate) fn ids(&self) -> IdRange {
        self.users.ids(self.place)
    }
}

impl Drop for UserRange {
    fn drop(&mut self) {
        let mut state = self.users.state.lock();
        self.users.set_lock(self.place, libc::F_UNLCK);
        state.taken.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(ledger: &Path, ranges: u32) -> Arc<Users> {
        Arc::new(Users::by(ledger, u32::MAX - ranges * IdRange::LENGTH, 0).unwrap().unwrap())
    }

    fn users(ranges: u32) -> Arc<Users> {
        host(tempfile::NamedTempFile::new().unwrap().path(), ranges)
    }

    #[test]
    fn no_two_hosts_share_a_user_be_they_of_one_process_or_not() {
        let ledger = tempfile::NamedTempFile::new().unwrap();
        let hosts = [host(ledger.path(), 4), host(ledger.path(), 4)];
        let ranges: Vec<_> = (0..4).filter_map(|turn| hosts.get(turn % 2)?.take()).collect();
        let bases: BTreeSet<_> = ranges.iter().map(|range| range.ids().base).collect();
        assert_eq!(bases.len(), 4);
        assert!(hosts.iter().all(|host| host.take().is_none()));
    }

    #[test]
    fn what_a_host_had_another_can_have_when_it_is_gone() {
        let ledger = tempfile::NamedTempFile::new().unwrap();
        let first = host(ledger.path(), 1);
        let range = first.take().unwrap();
        let second = host(ledger.path(), 1);
        assert!(second.take().is_none());
        drop((range, first));
        assert!(second.take().is_some());
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
        assert!(Users::new(u32::MAX - 10, 0).unwrap().is_none());
    }
}
