//! Terminals: the host's is not there to be taken over, and none can be typed into.

use mimobox_isolation_tests::{Attempt, Place, without};

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("terminals", name)
}

#[test]
fn nothing_can_be_typed_into_a_terminal() {
    for name in ["type_ahead", "type_ahead_by_high_bits", "paste"] {
        attempt(name).is_stopped_but_not_in(&Place::weakened(without::seccomp));
    }
}

#[test]
fn there_is_no_controlling_terminal() {
    attempt("open_controlling_terminal").is_stopped_but_not_in(&Place::HostTerminal);
}

#[test]
fn no_terminal_comes_with_a_command() {
    attempt("have_a_terminal").is_stopped_but_not_in(&Place::HostTerminal);
}

#[test]
fn terminals_of_the_host_cannot_be_seen() {
    attempt("see_terminals").is_stopped_but_not_in(&Place::HostTerminal);
}
