//! Terminals of real sandboxes through a component.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use mimobox_harness::Leftovers;
use mimobox_stories::{Host, shown};

#[test]
fn a_terminal_echoes_resizes_interrupts_and_hangs_up() {
    let Some(host) = Host::new() else { return };
    let before = Leftovers::count();
    let ran = host.run("test-orchestrator", &[], &["terminal"]);
    assert!(ran.status.success(), "{}", shown(&ran));
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let expected = [
        "cat: \"hello\\r\\nhello\\r\\n\", exited with 0",
        "again: Some(AlreadyExists)",
        "resized late: Some(Gone)",
        "killed late: Some(Gone)",
        "sizes: true true, exited with 7",
        "input taken twice: Some(Gone)",
        "interrupted: ended by signal 2",
        "killed: ended by signal 9",
        "hung up: none left",
        "no size: Some(InvalidArgument(\"size: no columns or no rows\"))",
        "no program: Some(NotFound)",
        "left: Some(Gone)",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn a_component_that_asks_for_ten_thousand_sessions_gets_the_operator_s_number() {
    let Some(host) = Host::new() else { return };
    let before = Leftovers::count();
    let ran = host.run("test-orchestrator", &[], &["sessions", "10000"]);
    assert!(ran.status.success(), "{}", shown(&ran));
    assert!(shown(&ran).contains("refused: limit reached"), "{}", shown(&ran));
    Leftovers::assert_nothing_since(&before);
}
