//! From what was granted to what the agent does to itself. Pure: looks at nothing, so that every line of it can be tested.

use mimobox_confine::{Filter, Masks, Owner, PathRights, PathRule, Plan, ResourceLimit, Step};
use mimobox_protocol::{SANDBOX_GID, SANDBOX_HOME, SANDBOX_NAME, SANDBOX_UID};
use mimobox_sandbox::{Mount, SandboxGrant};

use crate::error::CreateError;
use crate::host_root::HostRoot;

const ROOT: Owner = Owner { user: 0, group: 0 };
const SANDBOX: Owner = Owner { user: SANDBOX_UID, group: SANDBOX_GID };

/// Memory pages that the plan's own files take from the root.
const OWN_BYTES: u64 = 16 * 4096;
/// Files, directories and links of the plan, with room to spare.
const OWN_INODES: u64 = 256;
/// A file of average size takes a page or more; below and above these numbers that says nothing useful.
const FEWEST_INODES: u64 = 1024;
const MOST_INODES: u64 = 1024 * 1024;

/// The host name, and the machine's name in `/etc/hosts`.
const HOST_NAME: &str = "sandbox";

/// Writes the plan. Volumes come with it as descriptors, in the order of the grant's mounts.
pub(crate) fn write(grant: &SandboxGrant, root: &HostRoot, filters: &[Filter]) -> Result<Plan, CreateError> {
    let disk = disk(grant);
    let mut steps = vec![
        Step::BecomeRoot,
        Step::HostName(HOST_NAME.to_owned()),
        Step::CgroupNamespace,
        Step::Loopback,
        Step::Root {
            bytes: disk.saturating_add(OWN_BYTES),
            inodes: (disk / 4096).clamp(FEWEST_INODES, MOST_INODES) + OWN_INODES,
        },
    ];
    steps.extend(programs(root));
    steps.extend(configuration(root));
    steps.extend(devices(root));
    steps.push(Step::Processes(masks()));
    steps.extend(writable());
    steps.extend(volumes(&grant.mounts, root)?);
    steps.extend([
        Step::EnterRoot,
        Step::ResourceLimits(resource_limits()),
        Step::Capabilities,
        Step::NoNewPrivileges,
        Step::Landlock(path_rules(root, &grant.mounts)),
        // Last: it forbids what the steps before need.
        Step::Seccomp(filters.to_vec()),
    ]);
    Ok(Plan { steps })
}

/// Bytes of the root. Files in it are memory, and count against that limit too: a disk that took all of it would leave none
/// for a program that removes a file, and the sandbox would be dead. So it fills up first, which programs can handle.
fn disk(grant: &SandboxGrant) -> u64 {
    grant.limits.disk.min(grant.limits.memory / 4 * 3)
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
    let hosts = format!("127.0.0.1 localhost {HOST_NAME}\n::1 localhost {HOST_NAME}\n");
    let mut steps = vec![
        directory("/etc", 0o755, ROOT),
        file("/etc/passwd", users),
        file("/etc/group", groups),
        file("/etc/hosts", hosts),
        file("/etc/hostname", format!("{HOST_NAME}\n")),
        file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\n".to_owned()),
        // There is no name server to ask.
        file("/etc/resolv.conf", String::new()),
        link("/etc/mtab", "/proc/self/mounts"),
        link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    ];
    let parent = |path: &String| path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    let mut parents: Vec<_> =
        root.configuration.iter().filter_map(parent).filter(|parent| parent != "/etc").collect();
    parents.dedup();
    steps.extend(parents.iter().map(|parent| directory(parent, 0o755, ROOT)));
    steps.extend(root.configuration.iter().map(|path| shown(path)));
    steps
}

fn devices(root: &HostRoot) -> Vec<Step> {
    let mut steps = vec![directory("/dev", 0o755, ROOT)];
    steps.extend(root.devices.iter().map(|path| Step::Device { source: path.clone(), path: path.clone() }));
    steps.extend([
        Step::Terminals,
        link("/dev/ptmx", "pts/ptmx"),
        link("/dev/fd", "/proc/self/fd"),
        link("/dev/stdin", "/proc/self/fd/0"),
        link("/dev/stdout", "/proc/self/fd/1"),
        link("/dev/stderr", "/proc/self/fd/2"),
        directory("/dev/shm", 0o1777, ROOT),
    ]);
    steps
}

fn writable() -> [Step; 5] {
    [
        directory("/tmp", 0o1777, ROOT),
        directory("/var", 0o755, ROOT),
        link("/var/tmp", "../tmp"),
        directory("/home", 0o755, ROOT),
        directory(SANDBOX_HOME, 0o755, SANDBOX),
    ]
}

/// What tells of the whole machine, or acts on it.
fn masks() -> Masks {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Masks {
        files: names(&[
            "kcore",
            "keys",
            "kmsg",
            "latency_stats",
            "sched_debug",
            "sysrq-trigger",
            "timer_list",
        ]),
        directories: names(&["acpi", "asound", "bus", "fs", "irq", "scsi"]),
        read_only: names(&["sys"]),
    }
}

fn volumes(mounts: &[Mount], root: &HostRoot) -> Result<Vec<Step>, CreateError> {
    let mut steps = Vec::with_capacity(mounts.len());
    for (descriptor, mount) in (0..).zip(mounts) {
        if !is_free(&mount.target, root) {
            return Err(CreateError::Target(mount.target.clone()));
        }
        steps.push(Step::Volume { descriptor, path: mount.target.clone() });
    }
    Ok(steps)
}

/// Whether a volume may be there: it must hide nothing that the plan relies on.
fn is_free(target: &str, root: &HostRoot) -> bool {
    let Some(inside) = target.strip_prefix('/') else { return false };
    let plain = inside.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let top = inside.split('/').next().unwrap_or_default();
    let tops = root.programs.iter().chain(root.links.iter().map(|(path, _)| path));
    let reserved = ["dev", "etc", "proc", "sys"].contains(&top)
        || tops.into_iter().any(|path| path.strip_prefix('/') == Some(top));
    plain && !reserved && !["/home", "/var"].contains(&target)
}

fn resource_limits() -> Vec<ResourceLimit> {
    vec![
        ResourceLimit::CoreSize(0),
        ResourceLimit::OpenFiles(4096),
        ResourceLimit::LockedMemory(8 * 1024 * 1024),
        ResourceLimit::MessageQueues(1024 * 1024),
        ResourceLimit::PendingSignals(1024),
        ResourceLimit::RealTimePriority(0),
    ]
}

fn path_rules(root: &HostRoot, mounts: &[Mount]) -> Vec<PathRule> {
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

fn directory(path: &str, mode: u32, owner: Owner) -> Step {
    Step::Directory { path: path.to_owned(), mode, owner }
}

fn file(path: &str, contents: String) -> Step {
    Step::File { path: path.to_owned(), contents: contents.into_bytes() }
}

fn link(path: &str, target: &str) -> Step {
    Step::Link { path: path.to_owned(), target: target.to_owned() }
}

#[cfg(test)]
mod tests;
