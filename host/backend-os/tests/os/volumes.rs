//! Directories of the host that an operator declared.

use std::collections::BTreeMap;
use std::fs;

use mimobox_backend_os::{Access, Volume};
use mimobox_sandbox::{Error, ExitStatus, Mount, Spec};

use crate::harness::{said, sh, with_volumes};

fn volumes(directory: &std::path::Path, access: Access) -> BTreeMap<String, Volume> {
    let directory = fs::File::open(directory).unwrap().into();
    BTreeMap::from([("data".to_owned(), Volume { directory, access })])
}

fn mounted(target: &str, read_only: bool) -> Spec {
    let mount = Mount { volume: "data".to_owned(), target: target.to_owned(), read_only };
    Spec { mounts: vec![mount], ..Spec::default() }
}

#[test]
fn a_read_only_volume_is_read_and_executed_but_not_written() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("input"), "for you").unwrap();
    fs::copy("/usr/bin/true", scratch.path().join("program")).unwrap();
    open_to_all(scratch.path());
    with_volumes(volumes(scratch.path(), Access::ReadOnly), async |host| {
        let sandbox = host.run.create(mounted("/work/input", true)).await.unwrap();
        assert_eq!(said(&sandbox, "cat /work/input/input && /work/input/program").await, "for you");
        for attempt in ["echo x > /work/input/new", "rm /work/input/input", "echo x > /work/new"] {
            assert_ne!(sh(&sandbox, attempt).await.status, ExitStatus::Exited(0), "{attempt}");
        }
    });
    assert_eq!(fs::read_to_string(scratch.path().join("input")).unwrap(), "for you");
}

#[test]
fn a_volume_for_writing_keeps_what_was_written() {
    let scratch = tempfile::tempdir().unwrap();
    open_to_all(scratch.path());
    with_volumes(volumes(scratch.path(), Access::ReadWrite), async |host| {
        let sandbox = host.run.create(mounted("/data", false)).await.unwrap();
        said(&sandbox, "echo kept > /data/result").await;
        sandbox.close().await.unwrap();
        let reader = host.run.create(mounted("/data", true)).await.unwrap();
        assert_eq!(said(&reader, "cat /data/result").await, "kept");
        assert_ne!(sh(&reader, "echo x > /data/result").await.status, ExitStatus::Exited(0));
        assert_eq!(fs::read_to_string(scratch.path().join("result")).unwrap(), "kept\n");
    });
}

#[test]
fn a_link_in_a_volume_leads_nowhere_on_the_host() {
    let scratch = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/shadow", scratch.path().join("shadow")).unwrap();
    std::os::unix::fs::symlink("/", scratch.path().join("root")).unwrap();
    open_to_all(scratch.path());
    with_volumes(volumes(scratch.path(), Access::ReadOnly), async |host| {
        let sandbox = host.run.create(mounted("/data", true)).await.unwrap();
        assert_ne!(sh(&sandbox, "cat /data/shadow").await.status, ExitStatus::Exited(0));
        assert_eq!(said(&sandbox, "ls /data/root/home").await, "sandbox");
        assert_ne!(sh(&sandbox, "ls /data/..//root").await.status, ExitStatus::Exited(0));
    });
}

#[test]
fn a_volume_that_was_not_declared_or_not_for_writing_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    with_volumes(volumes(scratch.path(), Access::ReadOnly), async |host| {
        let refused = host.run.create(mounted("/data", false)).await.unwrap_err();
        assert!(matches!(refused, Error::Denied(_)), "{refused}");
        let mut unknown = mounted("/data", true);
        unknown.mounts[0].volume = "other".to_owned();
        assert!(matches!(host.run.create(unknown).await, Err(Error::Denied(_))));
        let taken = host.run.create(mounted("/home", true)).await.unwrap_err();
        assert!(matches!(taken, Error::InvalidArgument(_)), "{taken}");
    });
}

/// The sandbox's users are nobody on the host: what they are to read everybody may read.
fn open_to_all(directory: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
}
