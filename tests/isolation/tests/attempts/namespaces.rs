//! Namespaces: those of the host cannot be looked into, and no others can be made or joined.

use std::process::Command;

use mimobox_isolation_tests::Namespace::{Ipc, Uts};
use mimobox_isolation_tests::{Attempt, Place, without};

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("namespaces", name)
}

const KINDS: [&str; 7] = ["cgroup", "ipc", "mount", "net", "pid", "user", "uts"];

#[test]
fn no_new_namespace_can_be_entered() {
    for kind in KINDS.into_iter().chain(["time"]) {
        attempt("unshare").with(kind).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn no_process_can_be_made_in_a_new_namespace() {
    for kind in KINDS {
        attempt("clone").with(kind).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn a_user_namespace_cannot_be_made_to_get_rights_in() {
    attempt("unshare_all").is_stopped_but_not_in(&Place::weakened(without::seccomp));
}

#[test]
fn namespaces_cannot_be_joined() {
    for kind in ["cgroup", "ipc", "mount", "net", "pid", "uts"] {
        attempt("join_own").with(kind).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn the_namespaces_of_the_agent_cannot_be_joined() {
    attempt("join_by_process").with(1).is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn the_host_s_name_cannot_be_seen() {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    attempt("see_host_name").with(name.trim_end()).is_stopped_but_not_in(&Place::Entered(&[Uts]));
}

#[test]
fn the_host_name_cannot_be_changed() {
    attempt("change_host_name").is_stopped_but_not_in(&Place::all_namespaces());
}

/// A message queue of the host, which everybody may use.
struct Queue(String);

impl Queue {
    fn new() -> Self {
        let made = Command::new("ipcmk").args(["--queue", "--mode", "0666"]).output().unwrap();
        let said = String::from_utf8(made.stdout).unwrap();
        // "Message queue id: 3"
        Self(said.trim_end().rsplit_once(' ').unwrap().1.to_owned())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        Command::new("ipcrm").args(["--queue-id", &self.0]).status().unwrap();
    }
}

#[test]
fn message_queues_of_the_host_cannot_be_seen() {
    let queue = Queue::new();
    attempt("see_queue").with(&queue.0).is_stopped_but_not_in(&Place::Entered(&[Ipc]));
}

#[test]
fn the_path_of_the_sandbox_s_cgroup_cannot_be_seen() {
    attempt("see_cgroup").with("mimobox").is_stopped_but_not_in(&Place::weakened(without::cgroup_namespace));
}

#[test]
fn no_cgroup_can_be_changed() {
    attempt("write_cgroup").is_stopped_but_not_in(&Place::host());
}

#[test]
fn cgroups_cannot_be_mounted() {
    attempt("mount_cgroups").is_stopped_but_not_in(&Place::all_namespaces());
}
