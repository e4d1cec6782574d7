//! Real sandboxes: saved, brought back, multiplied, kept ready.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use async_trait::async_trait;
use mimobox::{
    Config, Effect, Event, ExecuteResult, Host, Operation, Policy, PolicyFailure, RestorePool, Sandbox,
    SandboxSnapshot, Verdict, blocking,
};
use mimobox_harness::can_sandbox;
use mimobox_sandbox::fake::AuditLog;
use tempfile::TempDir;

/// A host of its own, and where its snapshots are.
fn host() -> (TempDir, Host) {
    let parent = tempfile::tempdir().unwrap();
    let builder = Host::builder().audit(AuditLog::default());
    let host = builder.snapshots(parent.path().join("snapshots")).start().unwrap();
    (parent, host)
}

fn on(host: &Host) -> Config {
    Config::builder().host(host).environment("FROM", "the config").build().unwrap()
}

/// Where the program's shared host keeps its snapshots.
fn shared_folder() -> PathBuf {
    let state = match env::var_os("XDG_STATE_HOME") {
        Some(state) => PathBuf::from(state),
        None => PathBuf::from(env::var_os("HOME").unwrap()).join(".local/state"),
    };
    state.join("mimobox-host/snapshots")
}

async fn saved_with(host: &Host, text: &str) -> SandboxSnapshot {
    let sandbox = host.sandbox(&on(host)).await.unwrap();
    sandbox.files().write("/tmp/text", text).await.unwrap();
    let snapshot = sandbox.snapshot().await.unwrap();
    sandbox.destroy().await.unwrap();
    snapshot
}

async fn text(sandbox: &Sandbox) -> String {
    String::from_utf8(sandbox.files().read("/tmp/text").await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_restored_sandbox_has_the_files_and_the_request_of_the_saved_one() {
    if !can_sandbox() {
        return;
    }
    let (_folder, host) = host();
    let sandbox = host.sandbox(&on(&host)).await.unwrap();
    sandbox.files().write("/tmp/text", "before").await.unwrap();
    let snapshot = sandbox.snapshot().await.unwrap();
    sandbox.files().write("/tmp/text", "after").await.unwrap();
    let restored = Sandbox::restore(&snapshot).await.unwrap();
    assert_eq!((text(&sandbox).await, text(&restored).await), ("after".to_owned(), "before".to_owned()));
    assert_eq!(restored.execute("printenv FROM").await.unwrap().stdout, b"the config\n");
    assert_ne!(restored.id(), sandbox.id());
    assert_eq!(snapshot.memory_file_path(), None);
}

#[tokio::test]
async fn a_config_can_ask_for_something_else_than_the_saved_one_had() {
    if !can_sandbox() {
        return;
    }
    let (_folder, host) = host();
    let snapshot = saved_with(&host, "kept").await;
    let config = Config::builder().host(&host).memory(64 << 20).timeout(Duration::from_secs(3));
    let restored = Sandbox::restore_with(&snapshot, &config.build().unwrap()).await.unwrap();
    assert_eq!(text(&restored).await, "kept");
    assert_eq!(restored.grant().limits.memory, 64 << 20);
    let ExecuteResult { timed_out, .. } = restored.execute("sleep 3600").await.unwrap();
    assert!(timed_out);
    let other = Config::builder().host(&host).image("another").build().unwrap();
    assert_eq!(Sandbox::restore_with(&snapshot, &other).await.unwrap_err().code(), "invalid-argument");
}

#[tokio::test]
async fn a_snapshot_is_found_by_its_id_until_it_is_deleted() {
    if !can_sandbox() {
        return;
    }
    let (folder, first) = host();
    let id = saved_with(&first, "kept").await.id().clone();
    drop(first);
    let builder = Host::builder().audit(AuditLog::default());
    let second = builder.snapshots(folder.path().join("snapshots")).start().unwrap();
    let found = second.open_snapshot(&id).await.unwrap();
    assert_eq!(text(&Sandbox::restore(&found).await.unwrap()).await, "kept");
    found.delete().await.unwrap();
    assert_eq!(second.open_snapshot(&id).await.unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn a_snapshot_travels_as_bytes_and_as_a_file() {
    if !can_sandbox() {
        return;
    }
    let (folder, host) = host();
    let snapshot = saved_with(&host, "travelled").await;
    let file = folder.path().join("exported");
    snapshot.to_file(&file).await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(snapshot.to_file(&file).await.unwrap_err().code(), "file", "it is there already");
    assert_eq!(snapshot.as_bytes().await.unwrap(), fs::read(&file).unwrap());
    assert_eq!(snapshot.size(), snapshot.to_bytes().await.unwrap().len() as u64);
    let bytes = snapshot.into_bytes().await.unwrap();
    // Bytes and files without a host named go to the program's shared one.
    for loaded in [SandboxSnapshot::from_bytes(bytes).await, SandboxSnapshot::from_file(&file).await] {
        let loaded = loaded.unwrap();
        assert!(shared_folder().join(format!("{}.snapshot", loaded.id())).exists());
        assert_eq!(text(&Sandbox::restore(&loaded).await.unwrap()).await, "travelled");
        loaded.delete().await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_no_snapshot_are_refused() {
    if !can_sandbox() {
        return;
    }
    let (folder, host) = host();
    let mut bytes = saved_with(&host, "whole").await.into_bytes().await.unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    for hostile in [Vec::new(), b"nothing of the kind".to_vec(), bytes] {
        let refused = host.load_snapshot(std::io::Cursor::new(hostile)).await.unwrap_err();
        assert_eq!(refused.code(), "invalid-argument");
    }
    let missing = SandboxSnapshot::from_file(folder.path().join("missing")).await.unwrap_err();
    assert_eq!(missing.code(), "file");
}

#[tokio::test]
async fn a_handle_reads_on_after_its_snapshot_is_deleted() {
    if !can_sandbox() {
        return;
    }
    let (_folder, host) = host();
    let snapshot = saved_with(&host, "held").await;
    host.open_snapshot(snapshot.id()).await.unwrap().delete().await.unwrap();
    assert_eq!(host.open_snapshot(snapshot.id()).await.unwrap_err().code(), "not-found");
    assert_eq!(text(&Sandbox::restore(&snapshot).await.unwrap()).await, "held");
    let again = host.load_snapshot(std::io::Cursor::new(snapshot.into_bytes().await.unwrap())).await.unwrap();
    assert_eq!(text(&Sandbox::restore(&again).await.unwrap()).await, "held");
}

/// Lets sandboxes be saved, and none be made of what was saved.
struct OneWay;

#[async_trait]
impl Policy for OneWay {
    fn name(&self) -> &str {
        "one-way"
    }

    async fn decide(&self, event: &Event) -> Result<Verdict, PolicyFailure> {
        let denied = matches!(event.operation, Operation::RestoreSnapshot(_));
        let effect = if denied { Effect::Deny } else { Effect::Allow };
        Ok(Verdict { effect, rule: "one-way".to_owned(), reason: "nothing comes back".to_owned() })
    }
}

#[tokio::test]
async fn a_policy_decides_about_every_restore() {
    if !can_sandbox() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let builder = Host::builder().audit(AuditLog::default()).policy(OneWay);
    let host = builder.snapshots(folder.path().join("snapshots")).start().unwrap();
    let snapshot = saved_with(&host, "kept").await;
    assert_eq!(Sandbox::restore(&snapshot).await.unwrap_err().code(), "denied");
    assert_eq!(Sandbox::restore_with(&snapshot, &on(&host)).await.unwrap_err().code(), "denied");
    assert_eq!(host.open_snapshot(snapshot.id()).await.unwrap_err().code(), "denied");
    let pool = RestorePool::from_snapshot(&snapshot, 1).unwrap();
    assert_eq!(pool.acquire().await.unwrap_err().code(), "denied");
    assert_eq!(host.sandboxes(), 0);
}

#[tokio::test]
async fn children_of_a_fork_share_nothing_afterwards() {
    if !can_sandbox() {
        return;
    }
    let (folder, host) = host();
    let parent = host.sandbox(&on(&host)).await.unwrap();
    parent.files().write("/tmp/text", "the parent's").await.unwrap();
    let children: Vec<_> = parent.fork(3).await.unwrap().into_iter().map(Result::unwrap).collect();
    for (number, child) in children.iter().enumerate() {
        assert_eq!(text(child).await, "the parent's");
        child.files().write("/tmp/text", number.to_string()).await.unwrap();
    }
    for (number, child) in children.iter().enumerate() {
        assert_eq!(text(child).await, number.to_string());
    }
    assert_eq!(text(&parent).await, "the parent's");
    assert_eq!(fs::read_dir(folder.path().join("snapshots")).unwrap().count(), 0, "a fork keeps no snapshot");
    assert_eq!(parent.fork(0).await.unwrap_err().code(), "invalid-argument");
    assert_eq!(parent.fork(65).await.unwrap_err().code(), "denied");
}

#[tokio::test]
async fn a_pool_is_filled_from_a_snapshot() {
    if !can_sandbox() {
        return;
    }
    let (_folder, host) = host();
    let snapshot = saved_with(&host, "warm").await;
    let pool = RestorePool::from_snapshot(&snapshot, 2).unwrap();
    for _ in 0..3 {
        let sandbox = pool.acquire().await.unwrap();
        assert_eq!(text(&sandbox).await, "warm");
        sandbox.destroy().await.unwrap();
    }
}

#[tokio::test]
async fn the_folder_is_made_for_its_owner_at_the_first_snapshot() {
    if !can_sandbox() {
        return;
    }
    let (parent, host) = host();
    let folder = parent.path().join("snapshots");
    let sandbox = host.sandbox(&on(&host)).await.unwrap();
    assert!(!folder.exists());
    sandbox.snapshot().await.unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_folder_that_others_can_write_to_takes_no_snapshot() {
    if !can_sandbox() {
        return;
    }
    let (parent, host) = host();
    let folder = parent.path().join("snapshots");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let sandbox = host.sandbox(&on(&host)).await.unwrap();
    let refused = sandbox.snapshot().await.unwrap_err();
    assert_eq!(refused.code(), "failed");
    assert!(!refused.to_string().contains("snapshots"), "{refused}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.snapshot().await.unwrap();
}

#[test]
fn sandboxes_are_saved_and_multiplied_without_async_too() {
    if !can_sandbox() {
        return;
    }
    let (folder, host) = host();
    let sandbox = blocking::Sandbox::on_host(&host, &on(&host)).unwrap();
    sandbox.files().write("/tmp/text", "waited for").unwrap();
    let snapshot = sandbox.snapshot().unwrap();
    let read = |sandbox: blocking::Sandbox| sandbox.files().read("/tmp/text").unwrap();
    assert_eq!(read(blocking::Sandbox::restore(&snapshot).unwrap()), b"waited for");
    for child in sandbox.fork(2).unwrap() {
        assert_eq!(read(child.unwrap()), b"waited for");
    }
    let pool = blocking::RestorePool::from_snapshot(&snapshot, 1).unwrap();
    assert_eq!(read(pool.acquire().unwrap()), b"waited for");
    let file = folder.path().join("exported");
    snapshot.to_file(&file).unwrap();
    assert_eq!(snapshot.as_bytes().unwrap(), fs::read(&file).unwrap());
    let found = blocking::SandboxSnapshot::open(&host, snapshot.id()).unwrap();
    assert_eq!(found.size(), snapshot.size());
    found.delete().unwrap();
    assert_eq!(blocking::SandboxSnapshot::open(&host, snapshot.id()).unwrap_err().code(), "not-found");
}
