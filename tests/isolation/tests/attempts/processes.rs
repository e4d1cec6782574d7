//! Processes: of the host, of the sandbox's agent, and those that would outlive their sandbox.

use mimobox_isolation_tests::Namespace::{Mount, Pid, User};
use mimobox_isolation_tests::{Attempt, Bystander, Place};

fn at(name: &'static str, target: impl ToString) -> Attempt {
    Attempt::new("processes", name).with(target)
}

/// In the namespaces of a sandbox save those that hide processes and give users other rights.
const AMONG_THE_HOSTS: Place = Place::Entered(&[Mount, Pid, User]);

#[test]
fn host_processes_cannot_be_seen() {
    let bystander = Bystander::start();
    at("see", bystander.pid()).is_stopped_but_not_in(&Place::Entered(&[Mount, Pid]));
}

#[test]
fn host_processes_cannot_be_signalled() {
    let mut bystander = Bystander::start();
    at("end", bystander.pid()).is_stopped_but_not_in(&Place::Entered(&[Pid, User]));
    assert!(bystander.has_ended());
}

#[test]
fn host_processes_cannot_be_traced() {
    let bystander = Bystander::start();
    at("trace", bystander.pid()).is_stopped_but_not_in(&Place::Entered(&[Pid, User]));
}

#[test]
fn memory_of_host_processes_cannot_be_read() {
    let bystander = Bystander::start();
    at("read_memory", bystander.pid()).is_stopped_but_not_in(&AMONG_THE_HOSTS);
}

#[test]
fn files_of_host_processes_in_proc_cannot_be_opened() {
    let bystander = Bystander::start();
    for name in ["mem", "environ", "maps", "root/etc/passwd"] {
        at("open_file_of", bystander.pid()).with(name).is_stopped_but_not_in(&AMONG_THE_HOSTS);
    }
}

#[test]
fn the_agent_cannot_be_signalled() {
    at("reach", 1).is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn the_agent_cannot_be_traced() {
    at("trace", 1).is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn memory_of_the_agent_cannot_be_read() {
    at("read_memory", 1).is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn files_of_the_agent_in_proc_cannot_be_opened() {
    for name in ["mem", "environ", "maps", "root/etc/passwd", "cwd/etc/passwd"] {
        at("open_file_of", 1).with(name).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn links_of_the_agent_in_proc_lead_nowhere() {
    for name in ["exe", "root", "cwd", "fd/3", "ns/user"] {
        at("follow_link_of", 1).with(name).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn the_agent_s_connection_cannot_be_taken() {
    at("take_descriptor", 1).with(3).is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn the_agent_s_limits_cannot_be_changed() {
    at("limit", 1).is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn the_agent_cannot_be_slowed_down() {
    at("slow_down", 1).is_stopped_but_not_in(&Place::all_namespaces());
}
