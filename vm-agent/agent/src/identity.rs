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
}

/// A user and group to switch to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

const DEFAULT: Ids = Ids { uid: Uid::from_raw(SANDBOX_UID), gid: Gid::from_raw(SANDBOX_GID) };

impl Identity {
    /// Of an agent that has carried out its plan.
    pub(crate) fn in_sandbox() -> Self {
        if Uid::current().is_root() { Self::Sandbox } else { Self::OnlyUser }
    }

    /// Whom to switch to for a command that names `user`; nobody where the command runs as the agent.
    pub(crate) fn resolve(self, user: Option<&str>) -> Result<Option<Ids>, SpawnFailure> {
        let named = user.map(passwd::find).transpose()?;
        match self {
            Self::Own => match named {
                Some(ids) if ids.uid != Uid::current() => Err(SpawnFailure::PermissionDenied),
                _ => Ok(None),
            },
            Self::OnlyUser if named.is_none_or(|ids| ids == DEFAULT) => Ok(Some(DEFAULT)),
            Self::OnlyUser => Err(SpawnFailure::PermissionDenied),
            Self::Sandbox => {
                let ids = named.unwrap_or(DEFAULT);
                // The agent is safe from commands because it is another user than they.
                if ids.uid.is_root() || ids.uid == Uid::current() {
                    return Err(SpawnFailure::PermissionDenied);
                }
                Ok(Some(ids))
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
        assert_eq!(Identity::OnlyUser.resolve(None), Ok(Some(DEFAULT)));
        assert_eq!(Identity::OnlyUser.resolve(Some("root")), Err(SpawnFailure::PermissionDenied));
    }

    #[test]
    fn an_unknown_user_is_refused_whoever_the_agent_is() {
        for identity in [Identity::Own, Identity::Sandbox, Identity::OnlyUser] {
            assert_eq!(identity.resolve(Some("no-such-user")), Err(SpawnFailure::UserNotFound));
        }
    }
}
