//! Hosts that are killed in the middle, and disks that fill up.
#![allow(clippy::disallowed_methods, reason = "runs itself again, to be killed")]
#![allow(clippy::print_stderr, reason = "says what it skips")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mimobox_sandbox::{Error, SnapshotStore as _};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::stand::{ROOMY, Stand, all, pattern, refusal};

/// Where the child finds its folder.
const FOLDER: &str = "SNAPSHOT_TEST_FOLDER";
/// What a child leaves to say that it has come so far.
const HALF_WAY: &str = "half-way";
const LONG: usize = 1_000_003;

/// A host of its own, killed (SIGKILL) when it goes.
struct Victim(Child);

impl Victim {
    fn start(test: &str, folder: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", test])
            .env(FOLDER, folder)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn wait_until(&mut self, reached: impl Fn() -> bool) {
        while !reached() {
            assert!(self.0.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn victims_folder() -> PathBuf {
    std::env::var_os(FOLDER).unwrap().into()
}

#[tokio::test]
#[ignore = "is killed: another test runs it"]
async fn keeps_for_ever() {
    let stand = Stand::at(&victims_folder(), ROOMY);
    loop {
        stand.keep(&pattern(LONG)).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "is killed: another test runs it"]
async fn stops_half_way() {
    let folder = victims_folder();
    let stand = Stand::at(&folder, ROOMY);
    let _draft = stand.draft(&pattern(LONG)).await.unwrap();
    std::fs::write(folder.join(HALF_WAY), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_host_killed_while_it_keeps_leaves_whole_snapshots_and_nothing_else() {
    let stand = Stand::new();
    for enough in [1, 3, 6, 10] {
        let mut victim = Victim::start("crash::keeps_for_ever", stand.folder());
        victim.wait_until(|| stand.files().len() >= enough);
        drop(victim);
        let again = Stand::at(stand.folder(), ROOMY);
        let kept = again.store.list().await.unwrap();
        assert_eq!(kept.len(), stand.files().len());
        for stored in kept {
            assert_eq!(all(stored.state().await).await, pattern(LONG));
        }
    }
}

#[tokio::test]
async fn a_host_killed_half_way_leaves_nothing() {
    let stand = Stand::new();
    let mut victim = Victim::start("crash::stops_half_way", stand.folder());
    victim.wait_until(|| stand.folder().join(HALF_WAY).exists());
    drop(victim);
    let again = Stand::at(stand.folder(), ROOMY);
    assert!(again.ids().await.is_empty());
    assert_eq!(stand.files(), [HALF_WAY]);
}

/// A disk of one megabyte. None where this user may not mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::NOSUID, c"size=1m") {
            Ok(()) => Some(Self(folder)),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "no small disk: {error}");
                eprintln!("skipped: no small disk: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.0.path(), UnmountFlags::DETACH).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_a_limit_and_keeps_nothing_half_written() {
    let Some(disk) = SmallDisk::mount() else { return };
    let stand = Stand::at(disk.0.path(), ROOMY);
    let full = || Error::LimitReached("disk".into());
    let kept = stand.keep(&pattern(600_000)).await.unwrap();
    let exported = all(kept.export().await).await;

    assert_eq!(refusal(stand.keep(&pattern(600_000)).await), full());
    assert_eq!(refusal(stand.hold(&pattern(600_000)).await), full());
    assert_eq!(refusal(stand.import(&exported).await), full());
    assert_eq!(stand.ids().await, [kept.id().clone()]);
    assert_eq!(stand.files().len(), 1);

    stand.keep(&pattern(300_000)).await.unwrap();
    assert_eq!(all(kept.state().await).await, pattern(600_000));
}
