//! An image of the operator's store, whose root is laid over by what the sandbox writes. Whoever packed it is a stranger.

use mimobox_confine::{Account, Owner, PathRights, PathRule, Step};
use mimobox_protocol::{SANDBOX_GID, SANDBOX_HOME, SANDBOX_NAME, SANDBOX_UID};

use super::{HOST_NAME, HOSTS, ROOT, SANDBOX};

/// The image, come as `descriptor`, and what every sandbox has whether its image brings it or not.
pub(super) fn contents(descriptor: u16) -> Vec<Step> {
    vec![
        Step::Image { descriptor },
        ensure("/tmp", 0o1777, ROOT),
        ensure(SANDBOX_HOME, 0o755, SANDBOX),
        account(
            "/etc/passwd",
            format!("{SANDBOX_NAME}:x:{SANDBOX_UID}:{SANDBOX_GID}:sandbox:{SANDBOX_HOME}:/bin/sh"),
        ),
        account("/etc/group", format!("{SANDBOX_NAME}:x:{SANDBOX_GID}:")),
        replace("/etc/hosts", HOSTS.to_owned()),
        replace("/etc/hostname", format!("{HOST_NAME}\n")),
        // There is no name server to ask.
        replace("/etc/resolv.conf", String::new()),
    ]
}

/// Whether a volume may be at a plain path: it must hide nothing that the plan relies on.
pub(super) fn is_free(target: &str, top: &str) -> bool {
    !["dev", "etc", "proc", "sys"].contains(&top) && target != "/home"
}

/// Landlock's rules: all of it is the sandbox's own, as far as the image's permissions let it.
pub(super) fn path_rules() -> Vec<PathRule> {
    vec![PathRule { path: "/".to_owned(), rights: PathRights::All }]
}

fn ensure(path: &str, mode: u32, owner: Owner) -> Step {
    Step::Ensure { path: path.to_owned(), mode, owner }
}

fn account(path: &str, line: String) -> Step {
    Step::Account(Account { path: path.to_owned(), line })
}

fn replace(path: &str, contents: String) -> Step {
    Step::Replace { path: path.to_owned(), contents: contents.into_bytes() }
}
