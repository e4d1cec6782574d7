//! Components on real sandboxes: what only shows when all parts are the real ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use mimobox_harness::Leftovers;
use mimobox_stories::{Host, shown};

#[test]
fn sixty_four_mebibytes_pass_byte_for_byte() {
    let Some(host) = Host::new() else { return };
    let ran = host.run("test-orchestrator", &[], &["echo", "64"]);
    assert!(ran.status.success(), "{}", shown(&ran));
}

#[test]
fn a_program_s_exit_code_is_the_component_s_to_give() {
    let Some(host) = Host::new() else { return };
    let ran = host.run("test-orchestrator", &[], &["execute", "sh", "-c", "echo said; exit 7"]);
    assert_eq!(ran.status.code(), Some(7), "{}", shown(&ran));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim_end(), "said");
}

#[test]
fn a_program_that_cannot_run_is_refused_for_its_own_reason() {
    let Some(host) = Host::new() else { return };
    let ran = host.run("test-orchestrator", &[], &["invalid"]);
    assert!(ran.status.success(), "{}", shown(&ran));
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    for refusal in
        ["directory as program: is a directory", "not executable: permission denied", "not found: not found"]
    {
        assert!(printed.lines().any(|line| line == refusal), "{refusal}: {}", shown(&ran));
    }
}

#[test]
fn sandboxes_that_a_component_leaves_are_destroyed() {
    let Some(host) = Host::new() else { return };
    let before = Leftovers::count();
    let ran = host.run("test-orchestrator", &[], &["leak", "4"]);
    assert!(ran.status.success(), "{}", shown(&ran));
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn a_component_that_spins_is_ended_and_leaves_nothing() {
    let Some(host) = Host::new() else { return };
    let before = Leftovers::count();
    let ran = host.run("test-orchestrator", &["--timeout", "1 s"], &["spin"]);
    assert_eq!(ran.status.code(), Some(124), "{}", shown(&ran));
    Leftovers::assert_nothing_since(&before);
}
