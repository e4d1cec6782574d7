//! Ctrl-C and SIGTERM: what was made is gone before the host is.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Caller;

const NONE: Vec<PathBuf> = Vec::new();

/// Starts a sandbox that would stay for an hour and sends `signal` once it runs. Gives how the host ended and its pid.
fn interrupted(caller: &Caller, signal: Signal) -> (ExitStatus, u32) {
    // Ignores what it can, and has a child in a session of its own.
    let script = "trap '' TERM HUP INT; setsid sleep 3600 & echo started; sleep 3600";
    let mut host = caller.start(&["exec", "--", "sh", "-c", script], Stdio::null());
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    end(host, signal)
}

/// Sends `signal` to a host that has a sandbox. Gives how it ended and its pid.
fn end(mut host: Child, signal: Signal) -> (ExitStatus, u32) {
    assert_ne!(cgroups(host.id()), NONE, "the sandbox is seen while it is there");
    kill(Pid::from_raw(i32::try_from(host.id()).unwrap()), signal).unwrap();
    (host.wait().unwrap(), host.id())
}

/// Cgroups of the host that had this pid.
fn cgroups(host: u32) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).unwrap().flatten().map(|entry| entry.path());
    let tops = hierarchies.chain([root.to_owned()]).map(|hierarchy| hierarchy.join("mimobox"));
    let groups = tops.filter_map(|top| fs::read_dir(top).ok()).flatten().flatten().map(|entry| entry.path());
    let of_host = |group: &PathBuf| {
        group.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{host}-")))
    };
    // The host's own, empty group goes a moment after it.
    let sandboxes = groups.filter(of_host).filter_map(|group| fs::read_dir(group).ok()).flatten().flatten();
    sandboxes.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn an_interrupted_host_leaves_no_sandbox_behind() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let (status, pid) = interrupted(&caller, Signal::SIGINT);
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert_eq!(cgroups(pid), NONE);
    let entries = caller.audit();
    assert!(entries.iter().any(|entry| entry["change"] == "closing"));
    let of = |word: &str| entries.iter().filter(|entry| entry["entry"] == word).count();
    assert_eq!((of("requested"), of("finished")), (2, 2), "every operation has its end: {entries:#?}");
}

#[test]
fn a_terminated_host_exits_with_143() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    let (status, pid) = interrupted(&caller, Signal::SIGTERM);
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    assert_eq!(cgroups(pid), NONE);
}

#[test]
fn an_interrupted_run_leaves_no_sandbox_behind() {
    let Some(caller) = Caller::with_sandboxes() else { return };
    fs::create_dir(caller.path("programs")).unwrap();
    caller.component("judge").file("programs/sleeper.sh", "#!/bin/sh\nsleep 3600\n");
    let host = caller.start(&["run", "judge.wasm", "--volume", "submissions=programs"], Stdio::null());
    while !caller.audit().iter().any(|entry| entry["request"]["execute"].to_string().contains("sleeper.sh")) {
        sleep(Duration::from_millis(5));
    }
    let (status, pid) = end(host, Signal::SIGINT);
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert_eq!(cgroups(pid), NONE);
}
