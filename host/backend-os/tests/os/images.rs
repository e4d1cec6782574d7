//! Images with a root of their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use mimobox_backend_os::{Access, Volume};
use mimobox_sandbox::{Command, EnforcementStatus, Error, ExitStatus, Limits, Mount, Sandbox, Spec};

use crate::harness::{Host, MIB, said, sh, text, with_image};
use crate::image_folders::{alpine_like, debian_like};

async fn made(host: &Host) -> Sandbox {
    host.run.create(of_image()).await.unwrap()
}

fn of_image() -> Spec {
    Spec { image: Some("test".to_owned()), ..Spec::default() }
}

async fn as_user(sandbox: &Sandbox, user: &str, script: &str) -> String {
    let mut command = Command::new("sh").arguments(["-c", script]);
    command.user = Some(user.to_owned());
    let finished = sandbox.execute(command, Vec::new()).await.unwrap();
    assert_eq!(finished.status, ExitStatus::Exited(0), "{script}: {}", text(&finished.stderr));
    text(&finished.stdout)
}

#[test]
fn programs_of_a_glibc_image_run_and_see_that_image_alone() {
    let image = debian_like();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        assert_eq!(said(&sandbox, "cat /etc/os-release; pwd").await, "ID=debian-like\n/home/sandbox");
        let listed = said(&sandbox, "ls -A /").await;
        assert!(!listed.contains("upper") && !listed.contains("lower"), "{listed}");
        assert_eq!(said(&sandbox, "ls /usr/bin/perl 2>/dev/null || echo none").await, "none");
    });
}

#[test]
fn programs_of_a_busybox_image_run() {
    let Some(image) = alpine_like() else { return };
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        assert_eq!(said(&sandbox, "cat /etc/os-release && id -u").await, "ID=alpine-like\n1000");
        assert_eq!(
            said(&sandbox, "echo x > /tmp/x && cat /tmp/x && ls /proc/1/status").await,
            "x\n/proc/1/status"
        );
    });
}

#[test]
fn what_one_sandbox_writes_neither_the_image_nor_another_sandbox_sees() {
    let image = debian_like();
    fs::set_permissions(image.path().join("srv"), fs::Permissions::from_mode(0o777)).unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let (one, other) = (made(&host).await, made(&host).await);
        said(&one, "echo mine > /srv/new && echo changed > /srv/file && rm /srv/gone").await;
        assert_eq!(said(&one, "cat /srv/new /srv/file").await, "mine\nchanged");
        assert_eq!(said(&one, "ls /srv").await, "file\nnew");
        assert_eq!(said(&other, "ls /srv && cat /srv/file").await, "file\ngone\nas packed");
    });
    assert_eq!(fs::read_to_string(image.path().join("srv/file")).unwrap(), "as packed\n");
}

#[test]
fn a_directory_of_the_image_can_be_removed_and_made_anew() {
    let image = debian_like();
    fs::set_permissions(image.path().join("srv"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(image.path().join("srv/old")).unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        said(&sandbox, "rmdir /srv/old && mkdir /srv/old && echo x > /srv/old/x && rm -r /srv/old").await;
    });
}

#[test]
fn what_was_written_over_an_image_is_saved_and_restored() {
    let image = debian_like();
    fs::set_permissions(image.path().join("srv"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(image.path().join("srv/old")).unwrap();
    fs::set_permissions(image.path().join("srv/old"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(image.path().join("srv/old/packed"), "").unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let first = made(&host).await;
        said(&first, "echo mine > /srv/new && echo changed > /srv/file && rm /srv/gone && echo h > ~/h")
            .await;
        said(&first, "rm -r /srv/old && mkdir /srv/old && echo x > /srv/old/x").await;
        let mut last = first;
        for _ in 0..2 {
            let snapshot = host.run.take_snapshot(&last).await.unwrap();
            last = host.run.restore(&snapshot, None).await.unwrap();
            assert_eq!(said(&last, "ls /srv && ls -A /srv/old").await, "file\nnew\nold\nx");
            assert_eq!(said(&last, "cat /srv/new /srv/file /srv/old/x ~/h").await, "mine\nchanged\nx\nh");
        }
    });
}

#[test]
fn what_is_written_over_an_image_is_limited() {
    let image = debian_like();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let limits = Limits { disk: Some(4 * MIB), ..Limits::default() };
        let sandbox = host.run.create(Spec { limits, ..of_image() }).await.unwrap();
        let finished = sh(&sandbox, "head -c 100000000 /dev/zero > /tmp/big").await;
        assert!(text(&finished.stderr).contains("No space left"), "{}", text(&finished.stderr));
        assert_eq!(said(&sandbox, "rm /tmp/big && echo room > /tmp/room && cat /tmp/room").await, "room");
    });
}

#[test]
fn users_of_the_image_own_their_files() {
    let image = debian_like();
    let spool = image.path().join("var/spool");
    fs::create_dir_all(&spool).unwrap();
    fs::write(spool.join("job"), "secret\n").unwrap();
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o700)).unwrap();
    for path in [&spool, &spool.join("job")] {
        chown(path, Some(2), Some(3)).unwrap();
    }
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        assert_eq!(as_user(&sandbox, "daemon", "id -u; id -g").await, "2\n3");
        assert_eq!(
            as_user(&sandbox, "daemon", "cat /var/spool/job; echo more >> /var/spool/job").await,
            "secret"
        );
        assert_ne!(sh(&sandbox, "cat /var/spool/job").await.status, ExitStatus::Exited(0));
        assert_eq!(said(&sandbox, "ls -ldn /usr | cut -d' ' -f3,4").await, "0 0");
        assert_ne!(sh(&sandbox, "echo x > /usr/x").await.status, ExitStatus::Exited(0));
        let mut as_root = Command::new("id");
        as_root.user = Some("root".to_owned());
        assert_eq!(sandbox.execute(as_root, Vec::new()).await.unwrap_err(), Error::PermissionDenied);
    });
}

#[test]
fn the_image_s_own_configuration_gives_way_where_it_would_be_wrong() {
    let image = debian_like();
    fs::write(image.path().join("etc/resolv.conf"), "nameserver 10.0.0.1\n").unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        assert_eq!(said(&sandbox, "cat /etc/resolv.conf").await, "");
        assert_eq!(said(&sandbox, "cat /etc/hostname").await, "sandbox");
        let users = said(&sandbox, "cut -d: -f1,3 /etc/passwd").await;
        assert_eq!(users, "root:0\ndaemon:2\nsandbox:1000");
    });
    assert!(!fs::read_to_string(image.path().join("etc/passwd")).unwrap().contains("sandbox"));
}

#[test]
fn a_user_1000_of_the_image_keeps_its_name() {
    let image = debian_like();
    let passwd = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n";
    fs::write(image.path().join("etc/passwd"), passwd).unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        assert_eq!(
            said(&sandbox, "cut -d: -f1 /etc/passwd; id -u; echo x > $HOME/x").await,
            "root\nnode\n1000"
        );
    });
}

#[test]
fn an_empty_image_is_a_sandbox_without_programs() {
    let image = tempfile::tempdir().unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        let refused = sandbox.execute(Command::new("sh"), Vec::new()).await;
        assert_eq!(refused.unwrap_err(), Error::NotFound);
    });
}

/// Each link is a trap for whoever prepares the sandbox from outside.
#[test]
fn links_of_a_hostile_image_lead_nowhere_on_the_host() {
    let outside = tempfile::tempdir().unwrap();
    fs::set_permissions(outside.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for name in ["etc", "tmp", "home", "proc", "dev", "work"] {
        let image = debian_like();
        let place = image.path().join(name);
        let _ = fs::remove_dir_all(&place);
        symlink(outside.path(), &place).unwrap();
        let volume = tempfile::tempdir().unwrap();
        let directory = fs::File::open(volume.path()).unwrap().into();
        let volumes = BTreeMap::from([("data".to_owned(), Volume { directory, access: Access::ReadOnly })]);
        with_image(image.path(), volumes, async |host| {
            let mount = Mount { volume: "data".to_owned(), target: "/work/data".to_owned(), read_only: true };
            // The link is followed within the sandbox, or the sandbox is refused: either way not on the host.
            match host.run.create(Spec { mounts: vec![mount], ..of_image() }).await {
                Ok(sandbox) => drop(said(&sandbox, "ls / > /dev/null").await),
                Err(refused) => assert!(matches!(refused, Error::Failed(_)), "{name}: {refused}"),
            }
        });
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn single_files_of_a_hostile_image_that_are_links_are_replaced_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let image = debian_like();
    for name in ["hosts", "hostname", "resolv.conf", "passwd", "group"] {
        fs::write(outside.path().join(name), "the host's\n").unwrap();
        let _ = fs::remove_file(image.path().join("etc").join(name));
        symlink(outside.path().join(name), image.path().join("etc").join(name)).unwrap();
    }
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        assert!(said(&sandbox, "cat /etc/hosts /etc/passwd").await.contains("sandbox:x:1000:1000"));
    });
    for name in ["hosts", "hostname", "resolv.conf", "passwd", "group"] {
        assert_eq!(fs::read_to_string(outside.path().join(name)).unwrap(), "the host's\n", "{name}");
    }
}

#[test]
fn a_pipe_for_a_list_of_users_does_not_hold_up_the_start() {
    let image = debian_like();
    let passwd = image.path().join("etc/passwd");
    fs::remove_file(&passwd).unwrap();
    nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        assert_eq!(said(&made(&host).await, "id -u").await, "1000");
    });
}

#[test]
fn set_user_id_programs_and_devices_of_an_image_give_nothing() {
    let image = debian_like();
    let id = image.path().join("bin/id");
    fs::set_permissions(&id, fs::Permissions::from_mode(0o4755)).unwrap();
    let kind = nix::sys::stat::SFlag::S_IFCHR;
    let all = nix::sys::stat::Mode::from_bits_truncate(0o666);
    // The machine's memory devices: the zero device would do, had devices any effect.
    nix::sys::stat::mknod(&image.path().join("srv/zero"), kind, all, nix::sys::stat::makedev(1, 5)).unwrap();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        assert_eq!(said(&sandbox, "id -u").await, "1000");
        assert_ne!(sh(&sandbox, "head -c 1 /srv/zero").await.status, ExitStatus::Exited(0));
    });
}

#[test]
fn an_image_that_is_not_there_is_not_found() {
    let image = debian_like();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let spec = Spec { image: Some("other".to_owned()), ..Spec::default() };
        assert_eq!(host.run.create(spec).await.unwrap_err(), Error::NotFound);
    });
}

#[test]
fn the_report_says_what_the_root_is() {
    let image = debian_like();
    with_image(image.path(), BTreeMap::new(), async |host| {
        let sandbox = made(&host).await;
        let lines = sandbox.enforcement();
        let roots: Vec<_> = lines.iter().filter(|line| line.mechanism == "root-filesystem").collect();
        let [root] = roots.as_slice() else { panic!("{roots:?}") };
        assert!(root.detail.contains("overlay") && root.detail.contains("memory"), "{root:?}");
        assert_eq!(root.status, EnforcementStatus::Enforced, "{root:?}");
    });
}

/// Mounts of an image's file system that cannot be id-mapped are those of file systems like `proc`.
#[test]
fn an_image_that_cannot_be_id_mapped_is_reported_so() {
    with_image(Path::new("/proc/tty"), BTreeMap::new(), async |host| {
        match host.run.create(of_image()).await {
            Ok(sandbox) => {
                let root = sandbox.enforcement().iter().find(|line| line.mechanism == "root-filesystem");
                assert_eq!(root.unwrap().status, EnforcementStatus::Partial, "{root:?}");
            }
            Err(refused) => assert!(matches!(refused, Error::Failed(_)), "{refused}"),
        }
    });
}
