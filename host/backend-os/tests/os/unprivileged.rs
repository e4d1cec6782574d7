//! Runs a test as somebody who is not root. Where the test is, it runs itself again in a process of its own, as such a user.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mimobox_backend_os::BackendConfig;
use nix::unistd::geteuid;

use crate::harness::{Host, agent, run_test};

/// The user and group who own nothing.
const NOBODY: (u32, u32) = (65_534, 65_534);
/// Set in the process that is somebody else.
const AGAIN: &str = "MIMOBOX_TEST_AGAIN";

/// Who runs the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Somebody for whom no other users are set aside.
    Alone,
    /// Somebody for whom `/etc/subuid` sets some aside; takes newuidmap.
    WithSubordinates,
}

/// Runs a test as an ordinary user. `configure` runs as that user too.
pub(crate) fn as_ordinary_user<F: Future<Output = ()>>(
    setting: Setting,
    configure: impl FnOnce(&mut BackendConfig),
    test: impl FnOnce(Host) -> F,
) {
    if std::env::var_os(AGAIN).is_some() {
        return run_test(configure, test);
    }
    if agent().is_none() {
        return;
    }
    if setting == Setting::WithSubordinates && !Path::new("/usr/bin/newuidmap").exists() {
        assert!(std::env::var_os("CI").is_none(), "there is no newuidmap");
        println!("skipped: there is no newuidmap");
        return;
    }
    passed(&run_again(setting, None));
}

/// How the process that runs a test as somebody else is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a test that passed.
    Passed,
    /// By `SIGKILL`, which it sends itself.
    Killed,
}

/// As `as_ordinary_user`, for one to whom a cgroup of version 2 is delegated. Afterwards none of her groups may be left.
pub(crate) fn with_groups<F: Future<Output = ()>>(
    end: End,
    configure: impl FnOnce(&mut BackendConfig),
    test: impl FnOnce(Host) -> F,
) {
    if std::env::var_os(AGAIN).is_some() {
        return run_test(configure, test);
    }
    if agent().is_none() {
        return;
    }
    let Some(hierarchy) = unified() else {
        println!("skipped: there is no cgroup hierarchy of version 2");
        return;
    };
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let group = hierarchy.join(format!("mimobox-test-{}-{number}", std::process::id()));
    let own = group.join("host");
    fs::create_dir_all(&own).unwrap();
    for place in [&group, &own] {
        chown(place, Some(NOBODY.0), Some(NOBODY.1)).unwrap();
        for file in ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            chown(place.join(file), Some(NOBODY.0), Some(NOBODY.1)).unwrap();
        }
    }
    let finished = run_again(Setting::Alone, Some(&own));
    match end {
        End::Passed => passed(&finished),
        End::Killed => assert_eq!(finished.status.signal(), Some(9), "{finished:?}"),
    }
    // The janitor is nobody's child: nothing says when it is done.
    let deadline = Instant::now() + Duration::from_secs(60);
    for place in [group.join("mimobox"), own, group] {
        while let Err(error) = fs::remove_dir(&place) {
            assert!(Instant::now() < deadline, "{}: {error}", place.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn passed(finished: &Output) {
    let said = String::from_utf8_lossy(&finished.stdout);
    let complained = String::from_utf8_lossy(&finished.stderr);
    assert!(finished.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

#[allow(clippy::disallowed_methods, reason = "a test may run a program of its machine")]
fn run_again(setting: Setting, cgroup: Option<&Path>) -> Output {
    assert!(geteuid().is_root(), "only root can become somebody else");
    let (user, group) = NOBODY;
    let scratch = tempfile::tempdir().unwrap();
    let (program, agent, home) =
        (scratch.path().join("test"), scratch.path().join("agent"), scratch.path().join("home"));
    // Where they are built an ordinary user may not look.
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::copy(std::env::var_os("MIMOBOX_AGENT").unwrap(), &agent).unwrap();
    fs::create_dir(&home).unwrap();
    // What is set aside, in a mount namespace where this is the list.
    let list = scratch.path().join("list");
    let line = match setting {
        Setting::Alone => String::new(),
        Setting::WithSubordinates => format!("{user}:300000:65536\n"),
    };
    fs::write(&list, line).unwrap();
    chown(&home, Some(user), Some(group)).unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let enter = cgroup.map_or(OsString::from("/dev/null"), |group| group.join("cgroup.procs").into());
    let script = "echo $$ > \"$0\" && mount --bind \"$5\" /etc/subuid && mount --bind \"$5\" /etc/subgid && \
                  exec setpriv --reuid \"$1\" --regid \"$2\" --clear-groups \"$3\" --exact \"$4\" --nocapture";
    Command::new("unshare")
        .args(["--mount", "sh"])
        .args(["-c", script])
        .arg(enter)
        .args([user.to_string(), group.to_string()])
        .arg(&program)
        .arg(name)
        .arg(&list)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .envs([("HOME", &home), ("TMPDIR", &home), ("MIMOBOX_AGENT", &agent)])
        .env(AGAIN, "1")
        .current_dir("/")
        .output()
        .unwrap()
}

/// Where version 2 is mounted.
fn unified() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let place = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
    Some(PathBuf::from(place))
}
