//! Steps that settle a process in namespaces that the host made for it: namespaces(7).

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgroups, sethostname, setresgid, setresuid};

use crate::enforcement::{Enforcement, Mechanism};
use crate::sys;

/// A process could not settle.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// Supplementary groups of the host's user stayed.
    #[error("failed to leave the host's groups")]
    Groups(#[source] Errno),
    /// Group 0 of the namespace could not be taken.
    #[error("failed to become group 0")]
    Group(#[source] Errno),
    /// User 0 of the namespace could not be taken.
    #[error("failed to become user 0")]
    User(#[source] Errno),
    /// The host name was not set.
    #[error("failed to set the host name")]
    HostName(#[source] Errno),
    /// No cgroup namespace.
    #[error("failed to enter a cgroup namespace")]
    Cgroup(#[source] Errno),
    /// Loopback stayed down.
    #[error("failed to bring up the loopback interface")]
    Loopback(#[source] Errno),
}

/// Becomes root of the own user namespace.
pub(crate) fn become_root() -> Result<(), NamespaceError> {
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setgroups(&[]).map_err(NamespaceError::Groups)?;
    setresgid(group, group, group).map_err(NamespaceError::Group)?;
    setresuid(user, user, user).map_err(NamespaceError::User)
}

/// Sets the host name.
pub(crate) fn set_host_name(name: &str) -> Result<Enforcement, NamespaceError> {
    sethostname(name).map_err(NamespaceError::HostName)?;
    Ok(Enforcement::enforced(Mechanism::UtsNamespace, ""))
}

/// Makes the present cgroup the root of what this process sees.
pub(crate) fn enter_cgroup_namespace() -> Result<Enforcement, NamespaceError> {
    unshare(CloneFlags::CLONE_NEWCGROUP).map_err(NamespaceError::Cgroup)?;
    Ok(Enforcement::enforced(Mechanism::CgroupNamespace, ""))
}

/// Brings up loopback, which a new network namespace has, down.
pub(crate) fn raise_loopback() -> Result<Enforcement, NamespaceError> {
    sys::raise_loopback().map_err(NamespaceError::Loopback)?;
    Ok(Enforcement::enforced(Mechanism::NetworkNamespace, "loopback only"))
}
