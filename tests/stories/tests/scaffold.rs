//! A component that writes a project, builds it on a terminal, and runs what came out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use mimobox_harness::Leftovers;
use mimobox_stories::{Host, shown};

#[test]
fn a_project_is_written_built_and_run_in_a_sandbox() {
    let Some(host) = Host::new() else { return };
    let before = Leftovers::count();
    let ran = host.run("scaffold", &[], &["greeter"]);
    assert!(ran.status.success(), "{}", shown(&ran));
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    for line in ["wrote /home/sandbox/greeter/main.c", "it says: hello from greeter, and exited with 0"] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(printed.contains("cc -O2 -Wall -Wextra -o greeter main.c"), "{printed}");
    Leftovers::assert_nothing_since(&before);
}
