//! Devices: none of the machine's is there, none can be made, and none that is put there works.

use std::path::Path;
use std::process::Command;

use mimobox_isolation_tests::{Attempt, Confined, Place, open_to_everybody};
use tempfile::TempDir;

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("files", name)
}

#[test]
fn a_character_device_cannot_be_made() {
    // /dev/null, which nobody would need to make.
    attempt("device").with("character").with(1).with(3).is_stopped_but_not_in(&Place::host());
}

/// The numbers of a disk of this machine that its root can open: not every machine's may.
fn disk() -> Option<(String, String)> {
    let disks = std::fs::read_dir("/sys/block").ok()?;
    disks.flatten().find_map(|disk| {
        let numbers = std::fs::read_to_string(disk.path().join("dev")).ok()?;
        let (major, minor) = numbers.trim_end().split_once(':')?;
        std::fs::File::open(Path::new("/dev").join(disk.file_name())).ok()?;
        Some((major.to_owned(), minor.to_owned()))
    })
}

#[test]
fn a_disk_of_the_machine_cannot_be_opened() {
    let open = |(major, minor)| attempt("device").with("block").with(major).with(minor);
    match disk() {
        Some(numbers) => open(numbers).is_stopped_but_not_in(&Place::host()),
        None => open(("8".to_owned(), "0".to_owned()))
            .is_stopped_but_has_no_control_since("this machine's root can open no disk either"),
    }
}

/// Opening one of these does nothing by itself.
const DEVICES: [&str; 7] = [
    "/dev/fuse",
    "/dev/kmsg",
    "/dev/kvm",
    "/dev/loop-control",
    "/dev/net/tun",
    "/dev/uinput",
    "/dev/userfaultfd",
];

#[test]
fn devices_of_the_machine_are_not_there() {
    for path in DEVICES {
        let open = attempt("open_device").with(path);
        if Path::new(path).exists() {
            open.is_stopped_but_not_in(&Place::host());
        } else {
            open.is_stopped_but_has_no_control_since("this machine has no such device");
        }
    }
}

/// Makes /dev/null once more, for everybody.
fn make_device(folder: &Path) -> String {
    let path = folder.join("device");
    let made = Command::new("mknod").args(["-m", "0666"]).arg(&path).args(["c", "1", "3"]).status().unwrap();
    assert!(made.success());
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_device_in_a_volume_does_not_work() {
    let Some(confined) = Confined::start() else { return };
    make_device(&confined.volume("fixtures"));
    let inside = attempt("open_device").with("/attempts/device");
    inside.must_be_stopped(&confined.attempt(&inside));

    let folder = TempDir::new_in("/var/tmp").unwrap();
    open_to_everybody(folder.path());
    let outside = attempt("open_device").with(make_device(folder.path()));
    outside.must_get_out(&Place::host_as_nobody().attempt(&outside));
}
