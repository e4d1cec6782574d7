//! Saved sandboxes through a component: taken, restored, loaded from their bytes, opened by id, forked, kept ready.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use mimobox_stories::{Host, shown};

#[test]
fn a_component_saves_a_sandbox_and_goes_on_from_it_in_every_way() {
    let Some(host) = Host::new() else { return };
    let ran = host.run("test-orchestrator", &[], &["snapshots"]);
    assert!(ran.status.success(), "{}", shown(&ran));
    let expected = "restored: saved, the first: changed\n\
                    its parent: true\n\
                    loaded: saved\n\
                    opened: saved\n\
                    child: changed\n\
                    child: changed\n\
                    child: changed\n\
                    of a pool: saved\n\
                    deleted: None\n\
                    no id: Some(InvalidArgument(\"snapshot: not an id\"))\n\
                    no children: Some(InvalidArgument(\"count: zero\"))\n";
    assert_eq!(String::from_utf8_lossy(&ran.stdout), expected);
}
