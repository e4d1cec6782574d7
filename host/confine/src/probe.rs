//! What this kernel and this user have, as data: for the host's `doctor`, and for a backend that says why it can't start.
//!
//! What can be tried is tried: a kernel may have a mechanism that its configuration, a container around us or another
//! security module keeps from us.

use std::fs;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::geteuid;

use crate::Caller;
use crate::cgroup::{Controller, Hierarchies, Hierarchy, Territory, Version, delegated};
use crate::launch::try_namespaces;
use crate::sys::{errno_filters_available, landlock_abi, mount_api_available};

/// The number of a sandbox's default user: fewer users set aside are no use.
const DEFAULT_USER: u32 = 1000;

/// One mechanism and what is there of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name.
    pub mechanism: &'static str,
    /// Whether it is there as it should be.
    pub present: bool,
    /// Version, place, or why not.
    pub detail: String,
    /// What a sandbox lacks without it.
    pub lost: &'static str,
    /// What would help.
    pub fix: &'static str,
}

/// Looks at everything.
pub fn findings() -> Vec<Finding> {
    let territory = if geteuid().is_root() { Territory::Machine } else { Territory::Delegated };
    let hierarchies = Hierarchies::discover();
    let controller = |controller| match &hierarchies {
        Ok(hierarchies) => of_controller(hierarchies, territory, controller),
        Err(error) => (false, error.to_string()),
    };
    let (memory, memory_detail) = controller(Controller::Memory);
    let (processes, processes_detail) = controller(Controller::Processes);
    let (cpu, cpu_detail) = controller(Controller::Cpu);
    let (freezer, freezer_detail) = match &hierarchies {
        Ok(hierarchies) if hierarchies.unified().is_some_and(|unified| is_ours(unified, territory)) => {
            (true, "version 2".to_owned())
        }
        _ => controller(Controller::Freezer),
    };
    let (in_memory, in_processes, fix) = match territory {
        Territory::Machine => (
            "a sandbox could take all memory",
            "a sandbox could fork without end",
            "mount cgroup2 at /sys/fs/cgroup, or tolerate the mechanism in the configuration",
        ),
        Territory::Delegated => (
            "memory is limited for each process, not for a sandbox",
            "processes are limited for each user, not for a sandbox",
            "start the host in a group that is delegated to you (systemd-run --user --scope), run it as root, or \
             tolerate the mechanism in the configuration",
        ),
    };
    let finding =
        |mechanism, present, detail: String, lost, fix| Finding { mechanism, present, detail, lost, fix };
    vec![
        namespaces(),
        kernel_calls(),
        landlock(),
        seccomp(),
        users(territory),
        finding("memory-limit", memory, memory_detail, in_memory, fix),
        finding("processes-limit", processes, processes_detail, in_processes, fix),
        finding("cpu-limit", cpu, cpu_detail, "a sandbox could take all processors", fix),
        finding("freezer", freezer, freezer_detail, "a sandbox cannot be paused", fix),
        file_system("tmpfs", "sandboxes have no root to write to"),
        file_system("overlay", "images cannot be written over in a sandbox"),
        executable_memory(),
    ]
}

fn of_controller(hierarchies: &Hierarchies, territory: Territory, controller: Controller) -> (bool, String) {
    match hierarchies.with(controller) {
        Some(hierarchy) if is_ours(hierarchy, territory) => {
            let version = match hierarchy.version {
                Version::One => 1,
                Version::Two => 2,
            };
            (true, format!("version {version}, {}", hierarchy.root.display()))
        }
        Some(hierarchy) => (false, format!("{} is not delegated to this user", hierarchy.root.display())),
        None => (false, format!("no hierarchy has the controller {}", controller.name())),
    }
}

fn is_ours(hierarchy: &Hierarchy, territory: Territory) -> bool {
    territory == Territory::Machine || delegated(hierarchy).is_some()
}

fn users(territory: Territory) -> Finding {
    let (present, detail) = match territory {
        Territory::Machine => (true, "root gives each sandbox users that nobody else has"),
        Territory::Delegated if Caller::this_process().subordinates(DEFAULT_USER).is_some() => {
            (true, "those of /etc/subuid and /etc/subgid, by newuidmap and newgidmap")
        }
        Territory::Delegated => (false, "neither newuidmap nor /etc/subuid has any for this user"),
    };
    Finding {
        mechanism: "users",
        present,
        detail: detail.to_owned(),
        lost: "agent and commands of a sandbox share one user, who is you",
        fix: "install newuidmap (package uidmap), and let usermod --add-subuids and --add-subgids set 65536 of each aside",
    }
}

fn namespaces() -> Finding {
    let (present, detail) = match try_namespaces() {
        Ok(()) => (true, "user, pid, mount, network, IPC, host name".to_owned()),
        Err(error) => {
            (false, std::error::Error::source(&error).map_or_else(String::new, ToString::to_string))
        }
    };
    Finding {
        mechanism: "namespaces",
        present,
        detail,
        lost: "there are no sandboxes without them",
        fix: "set user.max_user_namespaces above 0, and let programs of your own make user namespaces \
              (kernel.apparmor_restrict_unprivileged_userns=0, kernel.unprivileged_userns_clone=1)",
    }
}

fn kernel_calls() -> Finding {
    Finding {
        mechanism: "mount-calls",
        present: mount_api_available(),
        detail: format!("Linux {}", kernel_version()),
        lost: "there are no sandboxes without them",
        fix: "run Linux 5.13 or later",
    }
}

fn landlock() -> Finding {
    let abi = landlock_abi();
    Finding {
        mechanism: "landlock",
        present: abi.is_some(),
        detail: abi
            .map_or_else(|| "not in this kernel, or not switched on".to_owned(), |abi| format!("ABI {abi}")),
        lost: "file permissions and read-only mounts are all that protects files",
        fix: "run a kernel with CONFIG_SECURITY_LANDLOCK and add landlock to its lsm= list",
    }
}

fn seccomp() -> Finding {
    let present = errno_filters_available();
    Finding {
        mechanism: "seccomp",
        present,
        detail: if present { "filters" } else { "no filters" }.to_owned(),
        lost: "there are no sandboxes without it",
        fix: "run a kernel with CONFIG_SECCOMP_FILTER",
    }
}

fn file_system(name: &'static str, lost: &'static str) -> Finding {
    let listed = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let present = listed.lines().any(|line| line.split_whitespace().last() == Some(name));
    Finding {
        mechanism: name,
        present,
        detail: if present { "in this kernel" } else { "not loaded" }.to_owned(),
        lost,
        fix: "load the kernel module of that name",
    }
}

fn executable_memory() -> Finding {
    let setting = fs::read_to_string("/proc/sys/vm/memfd_noexec").unwrap_or_default();
    let present = memfd_create(c"probe", MFdFlags::MFD_CLOEXEC).is_ok() && setting.trim() != "2";
    Finding {
        mechanism: "executable-memory",
        present,
        detail: format!(
            "vm.memfd_noexec is {}",
            if setting.is_empty() { "not there" } else { setting.trim() }
        ),
        lost: "the agent cannot be started",
        fix: "set vm.memfd_noexec to 0 or 1",
    }
}

fn kernel_version() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_says_what_is_lost_and_what_helps() {
        let mut names = std::collections::BTreeSet::new();
        for finding in findings() {
            assert!(
                !finding.lost.is_empty() && !finding.fix.is_empty() && !finding.detail.is_empty(),
                "{finding:?}"
            );
            assert!(names.insert(finding.mechanism), "{} twice", finding.mechanism);
        }
    }
}
