//! What its README says you see is what you see.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "runs the example")]

use std::process::Command;

use mimobox_harness::can_sandbox;

#[test]
fn every_submission_comes_to_the_end_that_the_readme_shows() {
    if !can_sandbox() {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_mimobox-example-embedding")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    let readme = include_str!("../README.md");
    for line in shown.lines().filter(|line| !line.ends_with("mechanisms in force")) {
        assert!(readme.contains(line), "the README does not show: {line}");
    }
    assert_eq!(shown.lines().count(), 8, "{shown}");
}
