use std::collections::BTreeSet;

use super::*;

/// Calls that only do plain work with the caller's own files, memory, processes and time need no reason.
const PLAIN: &str = include_str!("plain.txt");

fn list(name: &'static str, text: &str) -> Vec<Entry> {
    entries(name, text).unwrap()
}

fn allowed() -> Vec<Entry> {
    list("allow", ALLOW).into_iter().chain(list("allow", ALLOW_X86_64)).collect()
}

fn refused() -> Vec<Entry> {
    list("refuse", REFUSE).into_iter().chain(list("refuse", REFUSE_X86_64)).collect()
}

#[test]
fn every_call_and_condition_is_known_to_the_compiler() {
    // On the machine at hand; the other architectures' tables are asked one by one below.
    let filters = compile().unwrap();
    assert_eq!(filters.iter().map(|filter| filter.name.as_str()).collect::<Vec<_>>(), ["allow", "refuse"]);
    for filter in filters {
        // BPF_MAXINSNS of the kernel.
        assert!((10..=4096).contains(&filter.instructions.len()), "{}", filter.name);
    }
    let (allow, unknown) = (json!("allow"), json!({ "errno": libc::ENOSYS }));
    one("allow", entries("allow", ALLOW).unwrap(), &unknown, &allow, TargetArch::aarch64).unwrap();
    one("refuse", entries("refuse", REFUSE).unwrap(), &allow, &unknown, TargetArch::aarch64).unwrap();
}

#[test]
fn the_filters_for_volumes_are_known_to_the_compiler() {
    let names: Vec<_> = compile_for_volumes().unwrap().into_iter().map(|filter| filter.name).collect();
    assert_eq!(names, ["set-id", "unseen"]);
    let (allow, refused) = (json!("allow"), json!({ "errno": libc::EPERM }));
    one("set-id", entries("set-id", SET_ID).unwrap(), &allow, &refused, TargetArch::aarch64).unwrap();
    one("unseen", entries("unseen", UNSEEN).unwrap(), &allow, &refused, TargetArch::aarch64).unwrap();
}

#[test]
fn every_allowed_call_that_is_not_plain_work_has_a_reason() {
    let plain: BTreeSet<_> = PLAIN.split_whitespace().collect();
    for entry in allowed() {
        if !plain.contains(entry.syscall.as_str()) {
            assert!(entry.comment.is_some_and(|reason| reason.len() > 10), "{}", entry.syscall);
        }
    }
}

#[test]
fn every_refused_call_has_a_reason() {
    for entry in refused() {
        assert!(entry.comment.is_some_and(|reason| reason.len() > 10), "{}", entry.syscall);
    }
}

#[test]
fn dangerous_calls_are_refused_and_not_allowed() {
    let allowed: BTreeSet<_> = allowed().into_iter().map(|entry| entry.syscall).collect();
    let refused: BTreeSet<_> =
        refused().into_iter().filter(|entry| entry.args.is_none()).map(|entry| entry.syscall).collect();
    for call in [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "move_mount",
        "open_tree",
        "fsopen",
        "mount_setattr",
        "unshare",
        "setns",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "add_key",
        "request_key",
        "keyctl",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "reboot",
        "swapon",
        "open_by_handle_at",
        "name_to_handle_at",
    ] {
        assert!(!allowed.contains(call), "{call}");
        assert!(refused.contains(call), "{call}");
    }
}

#[test]
fn clone3_is_unknown_so_that_libc_falls_back_to_clone() {
    assert!(!allowed().iter().chain(&refused()).any(|entry| entry.syscall == "clone3"));
}

#[test]
fn what_can_be_dangerous_is_allowed_under_conditions_only() {
    for call in ["clone", "ioctl", "socket", "personality"] {
        let mut seen = false;
        for entry in allowed().into_iter().filter(|entry| entry.syscall == call) {
            seen = true;
            assert!(entry.args.is_some(), "{call}");
        }
        assert!(seen, "{call}");
    }
}

#[test]
fn no_call_is_both_allowed_and_refused_without_conditions() {
    let refused: BTreeSet<_> =
        refused().into_iter().filter(|entry| entry.args.is_none()).map(|entry| entry.syscall).collect();
    for entry in allowed() {
        assert!(!refused.contains(&entry.syscall), "{}", entry.syscall);
    }
}
