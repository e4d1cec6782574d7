//! Files of real sandboxes through a component, and what becomes of those that it does not finish.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use mimobox_harness::{Leftovers, component};
use mimobox_stories::{Host, shown};

/// What a run that ended well printed.
fn printed(ran: &Output) -> String {
    assert!(ran.status.success(), "{}", shown(ran));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[test]
fn every_operation_on_files_does_what_it_says() {
    let Some(host) = Host::new() else { return };
    let expected = "hello, you\n\
                    greeting: Kind::File of 10 bytes, mode 644\n\
                    from 7 on, 2 bytes: \"yo\"\n\
                    past the end: 0 bytes\n\
                    emptied: 0 bytes\n\
                    outer: inner (Kind::Directory)\n\
                    inner: renamed (Kind::File)\n\
                    gone: Some(NotFound)\n";
    assert_eq!(printed(&host.run("test-orchestrator", &[], &["files"])), expected);
}

#[test]
fn sixty_four_mebibytes_are_written_and_read_back_byte_for_byte() {
    let Some(host) = Host::new() else { return };
    let ran = host.run("test-orchestrator", &[], &["file-bytes", "64"]);
    assert_eq!(printed(&ran), "67108864 bytes ok\n");
}

#[test]
fn a_thousand_small_files_are_written_and_read_back() {
    let Some(host) = Host::new() else { return };
    let ran = host.run("test-orchestrator", &[], &["small-files", "1000"]);
    assert_eq!(printed(&ran), "1000 files ok\n");
}

#[test]
fn every_refusal_has_its_own_word() {
    let Some(host) = Host::new() else { return };
    let printed = printed(&host.run("test-orchestrator", &[], &["file-errors"]));
    let refusals = [
        "read nothing: not found",
        "read a directory: is a directory",
        "read through a file: not a directory",
        "stat nothing: not found",
        "list a file: not a directory",
        "write into nothing: not found",
        "write a directory: is a directory",
        "write what is not ours: permission denied",
        "make twice: already exists",
        "rename nothing: not found",
        "remove what is full: directory not empty",
        "watch nothing: not found",
        "the file: four",
    ];
    for refusal in refusals {
        assert!(printed.lines().any(|line| line == refusal), "{refusal}: {printed}");
    }
    for length in ["write too little: invalid argument", "write too much: invalid argument"] {
        assert!(printed.lines().any(|line| line.starts_with(length)), "{length}: {printed}");
    }
}

#[test]
fn what_is_not_finished_leaves_the_old_file_as_it_was() {
    let Some(host) = Host::new() else { return };
    let printed = printed(&host.run("test-orchestrator", &[], &["file-drafts"]));
    for line in ["dropped: old", "dropped at once: old", "short: old", "half: old", "whole: half and half"] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
}

#[test]
fn a_component_that_goes_while_it_writes_leaves_the_operator_s_file_as_it_was() {
    let Some(host) = Host::new() else { return };
    let before = Leftovers::count();
    for how in ["trap", "end", "spin", "wait"] {
        let folder = tempfile::tempdir().unwrap();
        // Whoever the sandbox's user is may write here.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        let volume = format!("work={}:rw", folder.path().display());
        // Two of them end by themselves; the others have to come as far as their writing.
        let timeout = if ["trap", "end"].contains(&how) { "10 min" } else { "10 s" };
        let options = ["--volume", &volume, "--timeout", timeout];
        let ran = host.run("test-orchestrator", &options, &["file-abandon", how, "/work/file", "work"]);
        assert!(String::from_utf8_lossy(&ran.stdout).contains("written"), "{how}: {}", shown(&ran));
        assert_eq!(ran.status.success(), how == "end", "{how}: {}", shown(&ran));
        assert_eq!(fs::read_to_string(&file).unwrap(), "old", "{how}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{how} left something beside it");
    }
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn a_watch_sees_all_that_happens_after_the_call_that_begins_it() {
    let Some(host) = Host::new() else { return };
    let expected = "ChangeKind::Created /tmp/watched/inner\n\
                    ChangeKind::Renamed /tmp/watched/other\n\
                    ChangeKind::Removed /tmp/watched/other\n\
                    ChangeKind::Removed /tmp/watched\n";
    assert_eq!(printed(&host.run("test-orchestrator", &[], &["watch"])), expected);
}

#[test]
fn changes_wait_for_a_late_reader() {
    let Some(host) = Host::new() else { return };
    let ran = host.run("test-orchestrator", &[], &["watch-flood", "500"]);
    assert_eq!(printed(&ran), "exited with 0: 500 created, all\n");
}

#[test]
fn streams_that_nobody_touches_change_nothing() {
    let Some(host) = Host::new() else { return };
    let before = Leftovers::count();
    let ran = host.run("test-orchestrator", &[], &["file-handles", "1000"]);
    assert_eq!(printed(&ran), "1000 unread\n1000 unwritten\nas before\n");
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn a_policy_says_which_files_may_be_written() {
    let Some(host) = Host::new() else { return };
    let policy = component("allowlist");
    let ran = host.run("test-orchestrator", &["--policy", policy.to_str().unwrap()], &["files"]);
    assert!(!ran.status.success(), "{}", shown(&ran));
    assert!(shown(&ran).contains("denied by rule path-not-listed"), "{}", shown(&ran));
}
