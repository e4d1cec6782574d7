//! Processes: of the host, of the sandbox's agent, and those that would outlive their sandbox.

use std::process::Command;
use std::time::Duration;

use mimobox_isolation_tests::Namespace::{self, Mount, User};
use mimobox_isolation_tests::{Attempt, Bystander, Confined, Place};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn at(name: &'static str, target: impl ToString) -> Attempt {
    Attempt::new("processes", name).with(target)
}

/// In the namespaces of a sandbox save those that hide processes and give users other rights.
const AMONG_THE_HOSTS: Place = Place::Entered(&[Mount, Namespace::Pid, User]);

#[test]
fn host_processes_cannot_be_seen() {
    let bystander = Bystander::start();
    at("see", bystander.pid()).is_stopped_but_not_in(&Place::Entered(&[Mount, Namespace::Pid]));
}

#[test]
fn host_processes_cannot_be_signalled() {
    let mut bystander = Bystander::start();
    at("end", bystander.pid()).is_stopped_but_not_in(&Place::Entered(&[Namespace::Pid, User]));
    assert!(bystander.has_ended());
}

#[test]
fn host_processes_cannot_be_traced() {
    let bystander = Bystander::start();
    at("trace", bystander.pid()).is_stopped_but_not_in(&Place::Entered(&[Namespace::Pid, User]));
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

#[test]
fn no_process_goes_before_those_of_the_host() {
    Attempt::new("processes", "go_first").is_stopped_but_not_in(&Place::host());
}

#[test]
fn the_agent_s_program_cannot_be_overwritten() {
    let bystander = Bystander::start();
    let (of_the_agent, of_another) = (at("overwrite_program", 1), at("overwrite_program", bystander.pid()));
    let Some(confined) = Confined::start() else { return };
    of_the_agent.must_be_stopped(&confined.attempt(&of_the_agent));
    // Not even by root of the namespaces, who may open it: it is sealed.
    of_the_agent.must_be_stopped(&Place::all_namespaces().attempt(&of_the_agent));
    of_another.must_get_out(&Place::host().attempt(&of_another));
}

/// Starts a process that leaves its parent, its group and its session, and ignores whatever asks it to end. It is there
/// when the script has ended.
const DAEMON: &str = r#"
pipe=$(mktemp -u) && mkfifo $pipe
setsid sh -c "trap '' TERM HUP INT; echo > $pipe; exec sleep SECONDS" </dev/null >/dev/null 2>&1 &
cat $pipe && rm $pipe
"#;

/// Its number on the host, if it is there.
fn find_daemon(seconds: &str) -> Option<Pid> {
    let line = format!("sleep\0{seconds}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let is_it =
        |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|found| found == line.as_bytes());
    pids.find(is_it).map(Pid::from_raw)
}

/// Waits for it to have executed its program.
fn has_begun(seconds: &str) -> Option<Pid> {
    (0..1000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        find_daemon(seconds)
    })
}

#[test]
fn no_process_stays_after_its_sandbox() {
    let Some(confined) = Confined::start() else { return };
    confined.said(&DAEMON.replace("SECONDS", "3603.1"));
    assert!(has_begun("3603.1").is_some(), "the daemon ended with its command");
    drop(confined);
    assert_eq!(find_daemon("3603.1"), None, "the daemon stayed");

    // The same outside of a sandbox stays.
    let outside = DAEMON.replace("SECONDS", "3603.2");
    assert!(Command::new("sh").args(["-c", &outside]).status().unwrap().success());
    kill(has_begun("3603.2").unwrap(), Signal::SIGKILL).unwrap();
}
