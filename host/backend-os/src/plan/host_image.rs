//! The image `host`: this machine's programs and libraries, a minimal `/etc`, and nothing else of the machine.

use mimobox_confine::{PathRights, PathRule, Step};
use mimobox_protocol::{SANDBOX_GID, SANDBOX_HOME, SANDBOX_NAME, SANDBOX_UID};
use mimobox_sandbox::Mount;

use super::{HOST_NAME, HOSTS, ROOT, SANDBOX, directory};
use crate::host_root::HostRoot;

/// What is shown of the machine, and the configuration that is not the machine's.
pub(super) fn contents(root: &HostRoot) -> Vec<Step> {
    let mut steps = programs(root);
    steps.extend(configuration(root));
    steps
}

fn programs(root: &HostRoot) -> Vec<Step> {
    let links =
        root.links.iter().map(|(path, target)| Step::Link { path: path.clone(), target: target.clone() });
    root.programs.iter().map(|path| shown(path)).chain(links).collect()
}

fn configuration(root: &HostRoot) -> Vec<Step> {
    let users = format!(
        "root:x:0:0:root:/root:/usr/sbin/nologin\n\
         {SANDBOX_NAME}:x:{SANDBOX_UID}:{SANDBOX_GID}:sandbox:{SANDBOX_HOME}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let groups = format!("root:x:0:\ntty:x:5:\n{SANDBOX_NAME}:x:{SANDBOX_GID}:\nnogroup:x:65534:\n");
    let mut steps = vec![
        directory("/etc", 0o755, ROOT),
        file("/etc/passwd", users),
        file("/etc/group", groups),
        file("/etc/hosts", HOSTS.to_owned()),
        file("/etc/hostname", format!("{HOST_NAME}\n")),
        file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\n".to_owned()),
        // There is no name server to ask.
        file("/etc/resolv.conf", String::new()),
        super::link("/etc/mtab", "/proc/self/mounts"),
        super::link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    ];
    let parent = |path: &String| path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    let mut parents: Vec<_> =
        root.configuration.iter().filter_map(parent).filter(|parent| parent != "/etc").collect();
    parents.dedup();
    steps.extend(parents.iter().map(|parent| directory(parent, 0o755, ROOT)));
    steps.extend(root.configuration.iter().map(|path| shown(path)));
    steps
}

/// What the sandbox may write to.
pub(super) fn writable() -> Vec<Step> {
    vec![
        directory("/tmp", 0o1777, ROOT),
        directory("/var", 0o755, ROOT),
        super::link("/var/tmp", "../tmp"),
        directory("/home", 0o755, ROOT),
        directory(SANDBOX_HOME, 0o755, SANDBOX),
    ]
}

/// Whether a volume may be at a plain path: it must hide nothing that the plan relies on.
pub(super) fn is_free(target: &str, top: &str, root: &HostRoot) -> bool {
    let tops = root.programs.iter().chain(root.links.iter().map(|(path, _)| path));
    let reserved = ["dev", "etc", "proc", "sys"].contains(&top)
        || tops.into_iter().any(|path| path.strip_prefix('/') == Some(top));
    !reserved && !["/home", "/var"].contains(&target)
}

/// Landlock's rules.
pub(super) fn path_rules(root: &HostRoot, mounts: &[Mount]) -> Vec<PathRule> {
    let rule = |path: &str, rights| PathRule { path: path.to_owned(), rights };
    let mut rules = vec![
        rule("/", PathRights::List),
        rule("/etc", PathRights::Read),
        rule("/proc", PathRights::WriteExisting),
        rule("/dev", PathRights::Devices),
        rule("/dev/shm", PathRights::All),
        rule("/tmp", PathRights::All),
        rule(SANDBOX_HOME, PathRights::All),
    ];
    rules.extend(root.programs.iter().map(|path| rule(path, PathRights::Execute)));
    rules.extend(mounts.iter().map(|mount| {
        rule(&mount.target, if mount.read_only { PathRights::Execute } else { PathRights::All })
    }));
    rules
}

fn shown(path: &str) -> Step {
    Step::Show { source: path.to_owned(), path: path.to_owned() }
}

fn file(path: &str, contents: String) -> Step {
    Step::File { path: path.to_owned(), contents: contents.into_bytes() }
}
