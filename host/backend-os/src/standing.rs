//! What this host may do: everything as root, or what an ordinary user may on a machine with unprivileged user namespaces.

use std::fs;
use std::sync::Arc;

use mimobox_confine::cgroup::Territory;
use mimobox_confine::launch::try_namespaces;
use mimobox_confine::{Caller, Enforcement, IdMap, Mechanism, Subordinates};
use mimobox_protocol::{SANDBOX_GID, SANDBOX_UID};
use nix::unistd::geteuid;

use crate::error::{CreateError, NewBackendError};
use crate::users::{UserRange, Users};

/// The caller's files are those of the sandbox's default user, where the sandbox has any of them.
const SHOWN: Caller = Caller { user: SANDBOX_UID, group: SANDBOX_GID };

/// Whose host this is.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Root's: each sandbox has users of its own.
    Root(Arc<Users>),
    /// An ordinary user's, with the users that are set aside for her, if any.
    Ordinary(Caller, Option<Subordinates>),
}

/// The users of one sandbox, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Population {
    pub(crate) map: IdMap,
    pub(crate) line: Enforcement,
    _range: Option<UserRange>,
}

impl Standing {
    /// Finds out. `user_base` is where root's ranges begin.
    pub(crate) fn find(user_base: u32) -> Result<Self, NewBackendError> {
        if is_root_of_the_machine() {
            let users = Users::new(user_base, std::process::id()).map_err(NewBackendError::TakenUsers)?;
            let users = users.ok_or(NewBackendError::UserBase(user_base))?;
            return Ok(Self::Root(Arc::new(users)));
        }
        try_namespaces()
            .map_err(|source| NewBackendError::NoNamespaces { set: missing_setting(read_setting), source })?;
        let caller = Caller::this_process();
        Ok(Self::Ordinary(caller, caller.subordinates(SANDBOX_UID.max(SANDBOX_GID))))
    }

    /// Where it may make cgroups.
    pub(crate) fn territory(&self) -> Territory {
        match self {
            Self::Root(_) => Territory::Machine,
            Self::Ordinary(..) => Territory::Delegated,
        }
    }

    /// Whether it may clone its own mounts and id-map them; an agent clones its copy of them instead.
    pub(crate) fn clones_mounts(&self) -> bool {
        matches!(self, Self::Root(_))
    }

    /// Whether a sandbox has one user only, its agent among it.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Self::Ordinary(_, None))
    }

    /// The users of a sandbox, which has files of the caller's or not.
    pub(crate) fn populate(&self, has_callers_files: bool) -> Result<Population, CreateError> {
        let line = |detail| Enforcement::partial(Mechanism::UserNamespace, detail);
        Ok(match self {
            Self::Root(users) => {
                let range = users.take().ok_or(CreateError::Users)?;
                let detail = "65536 users and groups that nobody else has";
                Population {
                    map: IdMap::Range(range.ids()),
                    line: Enforcement::enforced(Mechanism::UserNamespace, detail),
                    _range: Some(range),
                }
            }
            Self::Ordinary(caller, Some(subordinates)) => {
                let shown = has_callers_files.then_some(SHOWN);
                let beside = match shown {
                    Some(_) => format!("; user {SANDBOX_UID} is user {} of the host", caller.user),
                    None => String::new(),
                };
                Population {
                    map: IdMap::Subordinates(*subordinates, *caller, shown),
                    line: line(format!(
                        "users of /etc/subuid, the same for all sandboxes of this user{beside}"
                    )),
                    _range: None,
                }
            }
            Self::Ordinary(caller, None) => Population {
                map: IdMap::Alone(*caller, SHOWN),
                line: line(format!(
                    "one user, with the groups of user {} of the host, whom it is: neither newuidmap nor /etc/subuid \
                     has others to give",
                    caller.user
                )),
                _range: None,
            },
        })
    }
}

/// Root of a container's user namespace has users of the host to give as little as anybody else.
fn is_root_of_the_machine() -> bool {
    let all = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    geteuid().is_root() && fs::read_to_string("/proc/self/uid_map").is_ok_and(all)
}

fn read_setting(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()
}

/// Which setting keeps this user from making user namespaces, and what it should be.
fn missing_setting(read: impl Fn(&str) -> Option<String>) -> &'static str {
    let is = |name, value| read(name).is_some_and(|setting| setting.trim() == value);
    if is("user.max_user_namespaces", "0") {
        "set user.max_user_namespaces above 0"
    } else if is("kernel.unprivileged_userns_clone", "0") {
        "set kernel.unprivileged_userns_clone=1"
    } else if is("kernel.apparmor_restrict_unprivileged_userns", "1") {
        "set kernel.apparmor_restrict_unprivileged_userns=0, or give this program an AppArmor profile that says `userns`"
    } else {
        "no setting of the machine forbids it, so a container around this host or a security module does"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_is_in_the_way_is_named() {
        let found = |name: &'static str, value: &'static str| {
            missing_setting(move |asked| (asked == name).then(|| format!("{value}\n")))
        };
        assert!(found("user.max_user_namespaces", "0").contains("user.max_user_namespaces"));
        assert!(found("kernel.unprivileged_userns_clone", "0").contains("unprivileged_userns_clone=1"));
        assert!(found("kernel.apparmor_restrict_unprivileged_userns", "1").contains("AppArmor"));
        assert!(found("user.max_user_namespaces", "96365").contains("container"));
    }

    #[test]
    fn an_ordinary_user_s_sandbox_is_never_reported_as_quite_apart() {
        let caller = Caller { user: 1001, group: 1001 };
        let alone = Standing::Ordinary(caller, None).populate(false).unwrap();
        assert_eq!(alone.map, IdMap::Alone(caller, SHOWN));
        assert_eq!(alone.line.status, mimobox_confine::Status::Partial);
        assert!(alone.line.detail.contains("one user") && alone.line.detail.contains("1001"));
    }
}
