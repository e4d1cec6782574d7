//! Directories of the host that an operator declared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use mimobox_backend_os::{Access, Volume};
use mimobox_sandbox::{EnforcementStatus, Error, ExitStatus, Mount, Spec};

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
fn what_is_written_to_a_volume_belongs_to_whose_volume_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("theirs"), "their own\n").unwrap();
    fs::write(scratch.path().join("root's"), "somebody else's\n").unwrap();
    for name in ["theirs", "root's"] {
        fs::set_permissions(scratch.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    for path in [scratch.path().to_owned(), scratch.path().join("theirs")] {
        chown(path, Some(4321), Some(8765)).unwrap();
    }
    with_volumes(volumes(scratch.path(), Access::ReadWrite), async |host| {
        let sandbox = host.run.create(mounted("/data", false)).await.unwrap();
        assert_eq!(
            said(&sandbox, "cd /data && mkdir new && echo x > new/file && cat theirs").await,
            "their own"
        );
        assert_eq!(said(&sandbox, "stat -c %u:%g /data/new/file /data/theirs").await, "1000:1000\n1000:1000");
        assert_ne!(sh(&sandbox, "cat \"/data/root's\"").await.status, ExitStatus::Exited(0));
        let line = sandbox.enforcement().iter().find(|line| line.mechanism == "volumes").unwrap();
        assert_eq!(line.status, EnforcementStatus::Enforced, "{line:?}");
    });
    let made = fs::metadata(scratch.path().join("new/file")).unwrap();
    assert_eq!((made.uid(), made.gid()), (4321, 8765));
}

#[test]
fn a_volume_whose_file_system_knows_no_other_owners_is_reported_so() {
    with_volumes(volumes("/proc/tty".as_ref(), Access::ReadWrite), async |host| {
        let sandbox = host.run.create(mounted("/data", false)).await.unwrap();
        let line = sandbox.enforcement().iter().find(|line| line.mechanism == "volumes").unwrap();
        assert_eq!(line.status, EnforcementStatus::Partial, "{line:?}");
    });
}

/// Such a program in a volume would give its owner's rights to whoever on the host runs it.
#[test]
fn no_set_user_id_program_can_be_left_in_a_volume() {
    let scratch = tempfile::tempdir().unwrap();
    with_volumes(volumes(scratch.path(), Access::ReadWrite), async |host| {
        let sandbox = host.run.create(mounted("/data", false)).await.unwrap();
        said(&sandbox, "cp /bin/true /data/program && chmod 755 /data/program").await;
        for attempt in [
            "chmod u+s /data/program",
            "chmod 6755 /data/program",
            "perl -e 'exit(chmod(02755, q(/data/program)) ? 0 : 1)'",
            "perl -e 'use Fcntl; exit(sysopen(my $f, q(/data/new), O_CREAT | O_RDWR, 04777) ? 0 : 1)'",
            "install -m 4755 /bin/true /data/installed",
        ] {
            assert_ne!(sh(&sandbox, attempt).await.status, ExitStatus::Exited(0), "{attempt}");
        }
    });
    for file in fs::read_dir(scratch.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().mode();
        assert_eq!(mode & 0o6000, 0, "{mode:o}");
    }
}

/// Another sandbox may write to the volume while this one is made: where its link points, nothing of the host is touched.
#[test]
fn a_link_in_a_volume_where_another_volume_goes_stays_inside() {
    let (outer, inner) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outside = tempfile::tempdir().unwrap();
    open_to_all(outer.path());
    open_to_all(outside.path());
    std::os::unix::fs::symlink(outside.path(), outer.path().join("link")).unwrap();
    let mut both = volumes(outer.path(), Access::ReadWrite);
    both.extend(volumes(inner.path(), Access::ReadOnly).into_values().map(|volume| ("inner".into(), volume)));
    with_volumes(both, async |host| {
        let mut spec = mounted("/data", false);
        spec.mounts.push(Mount { volume: "inner".into(), target: "/data/link/deep".into(), read_only: true });
        if let Ok(sandbox) = host.run.create(spec).await {
            said(&sandbox, "true").await;
        }
    });
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
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
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
}
