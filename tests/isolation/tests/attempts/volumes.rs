//! Volumes: what a sandbox may only read it cannot write, and what it leaves in one leads neither the host nor the next
//! sandbox elsewhere.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use mimobox_isolation_tests::{Attempt, Conditions, Confined, open_to_everybody, without};
use mimobox_sandbox::{Mount, Spec};

fn mount(volume: &str, target: &str, read_only: bool) -> Mount {
    Mount { volume: volume.to_owned(), target: target.to_owned(), read_only }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_link_in_a_volume_leads_no_mount_to_the_host() {
    // A place of the host in which everybody may make files: the worst that a link can lead to.
    let outside = tempfile::tempdir().unwrap();
    open_to_everybody(outside.path());
    let Some(confined) = Confined::start() else { return };
    let volume = confined.volume("scratch");
    symlink(outside.path(), volume.join("absolute")).unwrap();
    let up = "../".repeat(20) + outside.path().to_str().unwrap().trim_start_matches('/');
    symlink(up, volume.join("relative")).unwrap();
    for link in ["absolute", "relative"] {
        for target in [format!("/data/{link}"), format!("/data/{link}/inside")] {
            let mounts = vec![mount("scratch", "/data", false), mount("fixtures", &target, true)];
            // It may be refused, or be made inside.
            drop(confined.wait(confined.run().create(Spec { mounts, ..Spec::default() })));
            assert!(is_empty(outside.path()), "a directory was made on the host for {target}");
        }
    }
}

#[test]
fn a_volume_that_is_to_be_read_cannot_be_written() {
    let Some(confined) = Confined::start() else { return };
    let volume = confined.volume("scratch");
    std::fs::write(volume.join("file"), "there").unwrap();
    open_to_everybody(&volume);
    open_to_everybody(&volume.join("file"));
    let sandbox = |read_only| {
        let mounts = vec![mount("fixtures", "/attempts", true), mount("scratch", "/scratch", read_only)];
        confined.wait(confined.run().create(Spec { mounts, ..Spec::default() })).unwrap()
    };
    let (reader, writer) = (sandbox(true), sandbox(false));
    let attempts = [
        Attempt::new("files", "create_in").with("/scratch"),
        Attempt::new("files", "open_for_writing").with("/scratch/file"),
        Attempt::new("files", "truncate").with("/scratch/file"),
    ];
    for attempt in attempts {
        attempt.must_be_stopped(&confined.attempt_in(&reader, &attempt));
        attempt.must_get_out(&confined.attempt_in(&writer, &attempt));
    }
}

/// What a sandbox leaves in a volume belongs to whose volume it is: such a program would be theirs.
const WAYS: [&str; 12] = [
    "chmod",
    "creat",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "high_bits",
    "mknod",
    "mknodat",
    "open",
    "openat",
    "openat2",
    "temporary",
];

#[test]
fn no_program_that_makes_its_user_another_can_be_left_in_a_volume() {
    let writing = |change| Conditions { scratch: Some(|_| {}), change, ..Conditions::default() };
    let Some(confined) = Confined::with(&writing(|_| {})) else { return };
    let unfiltered = Confined::with(&writing(without::seccomp)).unwrap();
    for way in WAYS {
        let leave =
            Attempt::new("identity", "leave_a_trap").with("/scratch").with(way).where_the_kernel_has_it();
        leave.must_be_stopped(&confined.attempt(&leave));
        leave.must_get_out(&unfiltered.attempt(&leave));
    }
    let left = std::fs::read_dir(confined.volume("scratch")).unwrap();
    assert!(left.flatten().all(|file| file.metadata().unwrap().mode() & 0o6000 == 0));
}
