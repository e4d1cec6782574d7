//! The judge, as `cargo xtask demo` runs it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use mimobox_harness::component;
use mimobox_stories::{Host, shown};

#[test]
fn every_submission_ends_as_expected() {
    let Some(host) = Host::new() else { return };
    let policy = component("allowlist");
    let options =
        ["--policy", policy.to_str().unwrap(), "--volume", "submissions=examples/judge/submissions"];
    let judged = host.run("judge", &options, &[]);
    assert!(judged.status.success(), "{}", shown(&judged));
    assert!(shown(&judged).contains("all as expected"), "{}", shown(&judged));
}

#[test]
fn a_missed_expectation_shows_in_the_exit_code() {
    let Some(host) = Host::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    // A volume keeps its permissions, and a sandbox's user is not its owner.
    set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    write(folder.path().join("fails.sh"), "exit 3\n").unwrap();
    let expected = "[[program]]\nname = \"fails.sh\"\noutcome = \"ok\"\n";
    write(folder.path().join("expected.toml"), expected).unwrap();
    let policy = component("allowlist");
    let volume = format!("submissions={}", folder.path().display());
    let judged = host.run("judge", &["--policy", policy.to_str().unwrap(), "--volume", &volume], &[]);
    assert_eq!(judged.status.code(), Some(1), "{}", shown(&judged));
    assert!(shown(&judged).contains("└ expected ok"), "{}", shown(&judged));
}
