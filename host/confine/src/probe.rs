//! What this kernel and this user have, as data: for the host's `doctor`, and for a backend that says why it can't start.
//!
//! What can be tried is tried: a kernel may have a mechanism that its configuration, a container around us or another
//! security module keeps from us.

use std::fs;

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::cgroup::{Controller, Hierarchies, Version};
use crate::launch::try_namespaces;
use crate::sys::{errno_filters_available, landlock_abi, mount_api_available};

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
    let hierarchies = Hierarchies::discover();
    let controller = |controller| match &hierarchies {
        Ok(hierarchies) => of_controller(hierarchies, controller),
        Err(error) => (false, error.to_string()),
    };
    let (memory, memory_detail) = controller(Controller::Memory);
    let (processes, processes_detail) = controller(Controller::Processes);
    let (cpu, cpu_detail) = controller(Controller::Cpu);
    let (freezer, freezer_detail) = match &hierarchies {
        Ok(hierarchies) if hierarchies.unified().is_some() => (true, "version 2".to_owned()),
        _ => controller(Controller::Freezer),
    };
    const MOUNT_CGROUP: &str =
        "mount cgroup2 at /sys/fs/cgroup and run as root, or tolerate the mechanism in the configuration";
    let finding =
        |mechanism, present, detail: String, lost, fix| Finding { mechanism, present, detail, lost, fix };
    vec![
        namespaces(),
        kernel_calls(),
        landlock(),
        seccomp(),
        finding("memory-limit", memory, memory_detail, "a sandbox could take all memory", MOUNT_CGROUP),
        finding(
            "processes-limit",
            processes,
            processes_detail,
            "a sandbox could fork without end",
            MOUNT_CGROUP,
        ),
        finding("cpu-limit", cpu, cpu_detail, "a sandbox could take all processors", MOUNT_CGROUP),
        finding("freezer", freezer, freezer_detail, "a sandbox cannot be paused", MOUNT_CGROUP),
        file_system("tmpfs", "sandboxes have no root to write to"),
        file_system("overlay", "images cannot be written over in a sandbox"),
        executable_memory(),
    ]
}

fn of_controller(hierarchies: &Hierarchies, controller: Controller) -> (bool, String) {
    match hierarchies.with(controller) {
        Some(hierarchy) => {
            let version = match hierarchy.version {
                Version::One => 1,
                Version::Two => 2,
            };
            (true, format!("version {version}, {}", hierarchy.root.display()))
        }
        None => (false, format!("no hierarchy has the controller {}", controller.name())),
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
