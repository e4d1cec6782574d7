//! Being nobody in particular, in namespaces of one's own: user_namespaces(7), namespaces(7).
//!
//! Root becomes an ordinary user first and only then makes a user namespace, so that its owner, who rules it, is nobody
//! either. An ordinary user does the same without the first step. In the namespace there is this one user and no other.

use std::fs;

use mimobox_vmm_protocol::Account;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};

use super::walls::chain;

/// Who root becomes where the host names nobody: the kernel's own user for "none of these".
const NOBODY: Account = Account { user: 65534, group: 65534 };

/// The process could not be set apart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("failed to leave the host's groups")]
    Groups(#[source] Errno),
    #[error("failed to become group {0}")]
    Group(u32, #[source] Errno),
    #[error("failed to become user {0}")]
    User(u32, #[source] Errno),
    #[error("failed to keep the own files of /proc")]
    Dumpable(#[source] Errno),
    #[error("failed to make namespaces")]
    Namespaces(#[source] Errno),
    #[error("failed to write the map of {0}")]
    Map(&'static str, #[source] std::io::Error),
}

impl IdentityError {
    /// With its cause.
    pub(super) fn chain(&self) -> String {
        chain(self)
    }
}

/// Becomes an ordinary user in new user, mount, network, IPC and host name namespaces, and says which user.
pub(super) fn become_separate(account: Option<Account>) -> Result<Account, IdentityError> {
    if geteuid().is_root() {
        become_account(account.unwrap_or(NOBODY))?;
    }
    let who = Account { user: geteuid().as_raw(), group: getegid().as_raw() };
    let namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(namespaces).map_err(IdentityError::Namespaces)?;
    let map = |name, text: String| {
        fs::write(format!("/proc/self/{name}"), text).map_err(|source| IdentityError::Map(name, source))
    };
    // A process that maps its own group must have given up changing its groups.
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("{0} {0} 1", who.user))?;
    map("gid_map", format!("{0} {0} 1", who.group))?;
    Ok(who)
}

fn become_account(account: Account) -> Result<(), IdentityError> {
    let (user, group) = (Uid::from_raw(account.user), Gid::from_raw(account.group));
    setgroups(&[]).map_err(IdentityError::Groups)?;
    setresgid(group, group, group).map_err(|source| IdentityError::Group(account.group, source))?;
    setresuid(user, user, user).map_err(|source| IdentityError::User(account.user, source))?;
    // Another user's process is not dumpable, and its files in /proc are root's. Until the maps are written it must be.
    prctl::set_dumpable(true).map_err(IdentityError::Dumpable)
}
