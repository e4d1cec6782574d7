//! From what was granted to what the agent does to itself. Pure: looks at nothing, so that every line of it can be tested.

mod host_image;
mod stored_image;

use mimobox_confine::{Filter, Masks, Owner, Plan, ResourceLimit, Step};
use mimobox_protocol::{SANDBOX_GID, SANDBOX_UID};
use mimobox_sandbox::{Mount, SandboxGrant};

use crate::error::CreateError;
use crate::host_root::HostRoot;

/// The image that is there without anybody importing it: this machine's programs, read-only.
pub(crate) const HOST_IMAGE: &str = "host";

const ROOT: Owner = Owner { user: 0, group: 0 };
/// The group `tty`.
const TERMINALS: u32 = 5;
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

const HOSTS: &str = "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n";

/// A directory of the host that the agent is to clone a mount of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) writable: bool,
}

/// What a plan depends on besides the grant.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) root: &'a HostRoot,
    pub(crate) filters: Vec<Filter>,
    /// What comes with the plan as a directory and not as a mount, by its place.
    pub(crate) sources: Vec<(u16, Source)>,
    /// Whether the sandbox has one user only, its default user, who is the agent's too.
    pub(crate) alone: bool,
    /// Which limits no cgroup holds.
    pub(crate) uncontrolled: Uncontrolled,
}

/// Limits that are left to the kernel's limits of each process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncontrolled {
    pub(crate) memory: bool,
    pub(crate) processes: bool,
}

/// Writes the plan. Volumes come with it as descriptors, in the order of the grant's mounts, and after them the image, unless
/// it is `host`.
pub(crate) fn write(grant: &SandboxGrant, site: Site<'_>) -> Result<Plan, CreateError> {
    let Site { root, filters, sources, alone, uncontrolled } = site;
    let mounts = &grant.mounts;
    let clone =
        |(descriptor, Source { path, writable })| Step::CloneMount { descriptor, source: path, writable };
    let mut steps: Vec<_> = sources.into_iter().map(clone).collect();
    steps.extend((!alone).then_some(Step::BecomeRoot));
    steps.extend([Step::HostName(HOST_NAME.to_owned()), Step::CgroupNamespace, Step::Loopback, stage(grant)]);
    let rules = if grant.image == HOST_IMAGE {
        steps.extend(host_image::contents(root));
        steps.extend(devices(root, alone));
        steps.push(Step::Processes(masks()));
        steps.extend(host_image::writable());
        steps.extend(volumes(mounts, |target, top| host_image::is_free(target, top, root))?);
        host_image::path_rules(root, mounts)
    } else {
        let image = u16::try_from(mounts.len()).unwrap_or(u16::MAX);
        steps.extend(devices(root, alone));
        steps.push(Step::Processes(masks()));
        steps.extend(stored_image::contents(image));
        steps.extend(volumes(mounts, stored_image::is_free)?);
        stored_image::path_rules()
    };
    steps.extend([
        Step::EnterRoot,
        Step::ResourceLimits(resource_limits(grant, uncontrolled)),
        Step::Capabilities,
        Step::NoNewPrivileges,
        Step::Landlock(rules),
        // Last: it forbids what the steps before need.
        Step::Seccomp(filters),
    ]);
    if alone {
        steps.iter_mut().for_each(own);
    }
    Ok(Plan { steps })
}

/// Where there is one user, all is that user's; Landlock alone then keeps commands from what is the agent's.
fn own(step: &mut Step) {
    if let Step::Directory { owner, .. } | Step::Ensure { owner, .. } = step {
        *owner = SANDBOX;
    }
}

fn stage(grant: &SandboxGrant) -> Step {
    let disk = disk(grant);
    Step::Root {
        bytes: disk.saturating_add(OWN_BYTES),
        inodes: (disk / 4096).clamp(FEWEST_INODES, MOST_INODES) + OWN_INODES,
    }
}

/// Bytes of the root. Files in it are memory, and count against that limit too: a disk that took all of it would leave none
/// for a program that removes a file, and the sandbox would be dead. So it fills up first, which programs can handle.
fn disk(grant: &SandboxGrant) -> u64 {
    grant.limits.disk.min(grant.limits.memory / 4 * 3)
}

fn devices(root: &HostRoot, alone: bool) -> Vec<Step> {
    let mut steps = vec![directory("/dev", 0o755, ROOT)];
    steps.extend(root.devices.iter().map(|path| Step::Device { source: path.clone(), path: path.clone() }));
    steps.extend([
        Step::Terminals { group: if alone { SANDBOX_GID } else { TERMINALS } },
        link("/dev/ptmx", "pts/ptmx"),
        link("/dev/fd", "/proc/self/fd"),
        link("/dev/stdin", "/proc/self/fd/0"),
        link("/dev/stdout", "/proc/self/fd/1"),
        link("/dev/stderr", "/proc/self/fd/2"),
        directory("/dev/shm", 0o1777, ROOT),
    ]);
    steps
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

fn volumes(mounts: &[Mount], is_free: impl Fn(&str, &str) -> bool) -> Result<Vec<Step>, CreateError> {
    let mut steps = Vec::with_capacity(mounts.len());
    for (descriptor, mount) in (0..).zip(mounts) {
        let target = &mount.target;
        let inside = target.strip_prefix('/').unwrap_or_default();
        let plain = inside.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !plain || !is_free(target, inside.split('/').next().unwrap_or_default()) {
            return Err(CreateError::Target(target.clone()));
        }
        steps.push(Step::Volume { descriptor, path: target.clone() });
    }
    Ok(steps)
}

fn resource_limits(grant: &SandboxGrant, uncontrolled: Uncontrolled) -> Vec<ResourceLimit> {
    let mut limits = vec![
        ResourceLimit::CoreSize(0),
        ResourceLimit::OpenFiles(4096),
        ResourceLimit::LockedMemory(8 * 1024 * 1024),
        ResourceLimit::MessageQueues(1024 * 1024),
        ResourceLimit::PendingSignals(1024),
        ResourceLimit::RealTimePriority(0),
    ];
    limits.extend(uncontrolled.memory.then_some(ResourceLimit::Data(grant.limits.memory)));
    limits.extend(uncontrolled.processes.then_some(ResourceLimit::Processes(grant.limits.processes.into())));
    limits
}

fn directory(path: &str, mode: u32, owner: Owner) -> Step {
    Step::Directory { path: path.to_owned(), mode, owner }
}

fn link(path: &str, target: &str) -> Step {
    Step::Link { path: path.to_owned(), target: target.to_owned() }
}

#[cfg(test)]
mod tests;
