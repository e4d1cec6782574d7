//! Users and rights: a command has none of the host's, and no program gives it any.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mimobox_isolation_tests::{Attempt, Confined, Place, open_to_everybody};
use tempfile::TempDir;

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("identity", name)
}

#[test]
fn nobody_else_can_be_become() {
    for name in ["become_root", "become_group_root", "become_another", "join_groups"] {
        attempt(name).is_stopped_but_not_in(&Place::all_namespaces());
    }
}

#[test]
fn capabilities_cannot_be_taken() {
    attempt("take_capabilities").is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn files_cannot_be_given_capabilities() {
    attempt("give_a_file_capabilities").is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn files_cannot_be_given_to_root() {
    attempt("give_a_file_away").is_stopped_but_not_in(&Place::all_namespaces());
}

/// A copy of a program of the host, of root's, in `folder`.
fn copy(program: &str, folder: &Path) -> PathBuf {
    let copy = folder.join("program");
    std::fs::copy(format!("/usr/bin/{program}"), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

/// Makes the attempt with a program that `prepare` gives rights: in a sandbox, which has it in a volume, and as a user
/// without rights on the host, where it is in a folder that machines do not mount without such rights.
fn gains_nothing_by(name: &'static str, program: &str, prepare: fn(&Path)) {
    let Some(confined) = Confined::start() else { return };
    prepare(&copy(program, &confined.volume("fixtures")));
    let inside = attempt(name).with("/attempts/program");
    inside.must_be_stopped(&confined.attempt(&inside));

    let folder = TempDir::new_in("/var/tmp").unwrap();
    open_to_everybody(folder.path());
    let program = copy(program, folder.path());
    prepare(&program);
    let outside = attempt(name).with(program.display());
    outside.must_get_out(&Place::host_as_nobody().attempt(&outside));
}

#[test]
fn a_set_user_id_program_of_root_gives_nothing() {
    gains_nothing_by("run_as_root", "id", |program| {
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o4755)).unwrap();
    });
}

#[test]
fn a_program_with_capabilities_gives_none() {
    gains_nothing_by("run_with_capabilities", "cat", |program| {
        // In Python, as setcap(8) is not everywhere: CAP_SYS_ADMIN, permitted and effective.
        let give = "import os, struct, sys; \
                    os.setxattr(sys.argv[1], 'security.capability', struct.pack('<5I', 0x02000001, 1 << 21, 0, 0, 0))";
        let given = std::process::Command::new("python3").args(["-c", give]).arg(program).status().unwrap();
        assert!(given.success());
    });
}
