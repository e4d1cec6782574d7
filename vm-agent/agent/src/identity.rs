//! As whom commands run. Decided once at start-up; `spawn` asks for every command.

use mimobox_protocol::{SANDBOX_GID, SANDBOX_UID, SpawnFailure};
use nix::unistd::{Gid, Uid};

use crate::passwd;

/// As whom commands run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// As the agent itself, whoever that is. A command that names somebody else is refused.
    Own,
    /// As the sandbox's default user, or the one that a command names, but never as the agent's own.
    Sandbox,
    /// As the sandbox's default user, which is the agent's as well, since the sandbox has no other. The agent is safe from
    /// commands as pid 1, as it cannot be traced, and as they have no capabilities.
    OnlyUser,
    /// As the machine's default user, or whomever a command names, root among them: the machine is the sandbox, and its root
    /// can do no more to its host than anybody in it.
    Machine,
}

/// A user and group to switch to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

/// A user to become, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) ids: Ids,
    pub(crate) change: Change,
}

/// How to become another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// No way back: no program of the command's ever has a capability.
    ForGood,
    /// As login(1) does it: programs of the image that are root's when executed stay so.
    AsLogin,
}

const DEFAULT: Ids = Ids { uid: Uid::from_raw(SANDBOX_UID), gid: Gid::from_raw(SANDBOX_GID) };

impl Identity {
    /// Of an agent that has carried out its plan.
    pub(crate) fn in_sandbox() -> Self {
        if Uid::current().is_root() { Self::Sandbox } else { Self::OnlyUser }
    }

    /// Whom to switch to for a command that names `user`; nobody where the command runs as the agent.
    pub(crate) fn resolve(self, user: Option<&str>) -> Result<Option<User>, SpawnFailure> {
        let for_good = |ids| Ok(Some(User { ids, change: Change::ForGood }));
        let named = user.map(passwd::find).transpose()?;
        match self {
            Self::Own => match named {
                Some(ids) if ids.uid != Uid::current() => Err(SpawnFailure::PermissionDenied),
                _ => Ok(None),
            },
            Self::OnlyUser if named.is_none_or(|ids| ids == DEFAULT) => for_good(DEFAULT),
            Self::OnlyUser => Err(SpawnFailure::PermissionDenied),
            Self::Machine => Ok(Some(User { ids: named.unwrap_or(DEFAULT), change: Change::AsLogin })),
            Self::Sandbox => {
                let ids = named.unwrap_or(DEFAULT);
                // The agent is safe from commands because it is another user than they.
                if ids.uid.is_root() || ids.uid == Uid::current() {
                    return Err(SpawnFailure::PermissionDenied);
                }
                for_good(ids)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_never_a_commands_user() {
        assert_eq!(Identity::Sandbox.resolve(Some("root")), Err(SpawnFailure::PermissionDenied));
    }

    #[test]
    fn a_sandbox_with_one_user_has_no_other() {
        assert_eq!(Identity::OnlyUser.resolve(None).unwrap().unwrap().ids, DEFAULT);
        assert_eq!(Identity::OnlyUser.resolve(Some("root")), Err(SpawnFailure::PermissionDenied));
    }

    #[test]
    fn a_machine_lets_commands_be_root_when_they_ask_for_it() {
        assert_eq!(Identity::Machine.resolve(None).unwrap().unwrap().ids, DEFAULT);
        assert!(Identity::Machine.resolve(Some("root")).unwrap().unwrap().ids.uid.is_root());
    }

    #[test]
    fn an_unknown_user_is_refused_whoever_the_agent_is() {
        for identity in [Identity::Own, Identity::Sandbox, Identity::OnlyUser, Identity::Machine] {
            assert_eq!(identity.resolve(Some("no-such-user")), Err(SpawnFailure::UserNotFound));
        }
    }
}
