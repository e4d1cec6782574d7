//! What the host's process has is not passed on: variables, open files, the working directory.

use mimobox_isolation_tests::{Attempt, Place};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("inheritance", name)
}

#[test]
fn variables_of_the_host_are_not_passed_on() {
    // Cargo sets it for tests.
    attempt("variable").with("CARGO_MANIFEST_DIR").is_stopped_but_not_in(&Place::host());
}

#[test]
fn open_files_of_the_host_are_not_passed_on() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // Unlike the standard library: every child gets this one.
    let _left_open = open(file.path(), OFlag::O_RDONLY, Mode::empty()).unwrap();
    attempt("open_file").with(file.path().display()).is_stopped_but_not_in(&Place::host());
}

#[test]
fn the_host_s_working_directory_is_not_passed_on() {
    let here = std::env::current_dir().unwrap();
    attempt("folder").with(here.display()).is_stopped_but_not_in(&Place::host());
}
