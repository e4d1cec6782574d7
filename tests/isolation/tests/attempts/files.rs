//! Files of the host: none can be read, changed, mounted or named.

use std::path::{Path, PathBuf};

use mimobox_isolation_tests::Namespace::{Mount, Pid, User};
use mimobox_isolation_tests::{Attempt, Bystander, Place, open_to_everybody, without};
use tempfile::TempDir;

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("files", name)
}

const AMONG_THE_HOSTS_FILES: Place = Place::Entered(&[Mount]);

/// A file of the host that everybody may read and write, in a folder where everybody may make others.
struct HostFile {
    path: PathBuf,
    _folder: TempDir,
}

impl HostFile {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "of the host").unwrap();
        open_to_everybody(folder.path());
        open_to_everybody(&path);
        Self { path, _folder: folder }
    }
}

#[test]
fn a_file_of_the_host_cannot_be_read() {
    let file = HostFile::new();
    attempt("read").with(file.path.display()).is_stopped_but_not_in(&AMONG_THE_HOSTS_FILES);
}

#[test]
fn no_number_of_steps_up_leads_to_a_file_of_the_host() {
    let file = HostFile::new();
    attempt("climb").with(file.path.display()).is_stopped_but_not_in(&AMONG_THE_HOSTS_FILES);
}

#[test]
fn no_link_leads_to_a_file_of_the_host() {
    let file = HostFile::new();
    attempt("link_to").with(file.path.display()).is_stopped_but_not_in(&AMONG_THE_HOSTS_FILES);
}

#[test]
fn no_process_s_root_leads_to_a_file_of_the_host() {
    let (file, bystander) = (HostFile::new(), Bystander::start());
    let path = format!("/proc/{}/root{}", bystander.pid(), file.path.display());
    attempt("read").with(path).is_stopped_but_not_in(&Place::Entered(&[Mount, Pid, User]));
}

#[test]
fn another_root_cannot_be_entered_to_climb_out_of() {
    attempt("leave_root").with("/").is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn a_file_cannot_be_opened_by_its_handle() {
    attempt("open_by_handle").with("/usr/bin/env").with("/usr").is_stopped_but_not_in(&Place::host());
}

#[test]
fn programs_of_the_host_cannot_be_written() {
    attempt("open_for_writing").with("/usr/lib/os-release").is_stopped_but_not_in(&Place::host());
}

#[test]
fn settings_of_the_kernel_cannot_be_written() {
    for name in ["kernel/core_pattern", "kernel/hostname", "vm/overcommit_memory", "net/ipv4/ip_forward"] {
        let path = format!("/proc/sys/{name}");
        attempt("open_for_writing").with(path).is_stopped_but_not_in(&Place::host());
    }
}

#[test]
fn the_sandbox_s_own_folders_cannot_be_changed() {
    for folder in ["/", "/etc", "/dev", "/home", "/var"] {
        attempt("create_in").with(folder).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn what_tells_of_the_whole_machine_is_masked() {
    for name in ["kcore", "keys", "kmsg", "latency_stats", "sched_debug", "sysrq-trigger", "timer_list"] {
        let path = format!("/proc/{name}");
        let see = attempt("see_masked").with(&path);
        if Path::new(&path).exists() {
            see.is_stopped_but_not_in(&Place::weakened(without::masks));
        } else {
            see.is_stopped_but_has_no_control_since("this kernel has no such file");
        }
    }
    for name in ["acpi", "asound", "bus", "fs", "irq", "scsi"] {
        let path = format!("/proc/{name}");
        let list = attempt("list_folder").with(&path);
        if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            list.is_stopped_but_not_in(&Place::weakened(without::masks));
        } else {
            list.is_stopped_but_has_no_control_since("this kernel has nothing there");
        }
    }
}

#[test]
fn nothing_can_be_mounted() {
    for name in ["mount", "mount_by_descriptors", "clone_mount"] {
        attempt(name).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn what_is_read_only_stays_so() {
    attempt("remount_writable").with("/usr").is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn what_is_covered_stays_so() {
    attempt("uncover").with("/proc/sys").is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn the_root_cannot_be_changed() {
    attempt("pivot").is_stopped_but_not_in(&Place::all_namespaces());
}
