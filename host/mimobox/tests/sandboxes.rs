//! What a sandbox is, whose it is, and what is left of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::time::{Duration, Instant};

use mimobox::{
    Access, Ceiling, Command, Config, EnforcementStatus, Error, Host, Sandbox, State, moderate_ceiling,
};
use mimobox_harness::can_sandbox;
use mimobox_sandbox::fake::AuditLog;

/// Waits for what happens in the background.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn sandboxes_of_one_program_share_a_host() {
    if !can_sandbox() {
        return;
    }
    let (one, other) = (Sandbox::new().await.unwrap(), Sandbox::new().await.unwrap());
    let host = |sandbox: &Sandbox| sandbox.id().as_str().rsplit_once('-').unwrap().0.to_owned();
    assert_ne!(one.id(), other.id());
    assert_eq!(host(&one), host(&other));
}

#[tokio::test]
async fn one_sandbox_s_files_and_processes_are_not_another_s() {
    if !can_sandbox() {
        return;
    }
    let (one, other) = (Sandbox::new().await.unwrap(), Sandbox::new().await.unwrap());
    one.execute("echo secret > /tmp/file").await.unwrap();
    let _running = one.spawn(Command::new("sleep").arg("3601")).await.unwrap();
    assert!(!other.execute("cat /tmp/file").await.unwrap().success());
    let processes = other.execute("cat /proc/[0-9]*/cmdline").await.unwrap();
    assert!(!processes.stdout_text().contains("3601"));
}

#[tokio::test]
async fn a_limit_is_granted_and_reported() {
    if !can_sandbox() {
        return;
    }
    let config = Config::builder().memory(64 << 20).cpu(250).processes(8).disk(16 << 20).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    let limits = sandbox.grant().limits;
    assert_eq!((limits.memory, limits.cpu, limits.processes, limits.disk), (64 << 20, 250, 8, 16 << 20));
    let memory = sandbox.enforcement().iter().find(|line| line.mechanism == "memory-limit").unwrap();
    assert_eq!(memory.status, EnforcementStatus::Enforced);
    let full = sandbox.execute("head -c 33554432 /dev/zero > /tmp/file").await.unwrap();
    assert!(full.stderr_text().contains("No space left"), "{full:?}");
}

#[tokio::test]
async fn more_than_the_ceiling_is_denied_until_the_program_raises_it() {
    if !can_sandbox() {
        return;
    }
    let much = Config::builder().memory(2 << 30);
    let Err(Error::Denied(denial)) = Sandbox::with_config(&much.clone().build().unwrap()).await else {
        panic!("granted");
    };
    assert_eq!(denial.rule, "ceiling-memory");
    let mut ceiling: Ceiling = moderate_ceiling();
    ceiling.limits.memory = 2 << 30;
    let config = much.ceiling(ceiling).audit(AuditLog::default()).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    assert_eq!(sandbox.grant().limits.memory, 2 << 30);
}

#[tokio::test]
async fn a_volume_is_mounted_as_it_was_declared() {
    if !can_sandbox() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("input"), "of the host").unwrap();
    let config = Config::builder()
        .volume("data", folder.path(), Access::ReadOnly)
        .mount("data", "/data", Access::ReadOnly)
        .audit(AuditLog::default())
        .build()
        .unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    assert_eq!(sandbox.execute("cat /data/input").await.unwrap().stdout, b"of the host");
    assert!(!sandbox.execute("echo x > /data/output").await.unwrap().success());
}

#[tokio::test]
async fn a_volume_that_is_read_only_is_not_mounted_for_writing() {
    if !can_sandbox() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let host = Host::builder()
        .volume("data", folder.path(), Access::ReadOnly)
        .audit(AuditLog::default())
        .start()
        .unwrap();
    let config = Config::builder().host(&host).mount("data", "/data", Access::ReadWrite).build().unwrap();
    let Err(Error::Denied(denial)) = Sandbox::with_config(&config).await else { panic!("granted") };
    assert_eq!(denial.rule, "ceiling-volume");
}

#[tokio::test]
async fn a_volume_that_is_not_there_is_the_host_s_error() {
    let config = Config::builder()
        .agent(*b"not looked at")
        .volume("data", "/no/such/folder", Access::ReadOnly)
        .audit(AuditLog::default())
        .build()
        .unwrap();
    let error = Sandbox::with_config(&config).await.unwrap_err();
    assert_eq!(error.code(), "no-host");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("/no/such/folder"), "{cause}");
}

#[test]
fn a_given_host_leaves_nothing_to_a_config_that_is_a_host_s_own() {
    if !can_sandbox() {
        return;
    }
    let host = Host::builder().audit(AuditLog::default()).start().unwrap();
    let refused = Config::builder().host(&host).volume("data", "/tmp", Access::ReadOnly).build().unwrap_err();
    assert_eq!(refused.code(), "invalid-argument");
}

#[tokio::test]
async fn a_paused_sandbox_stands_still_until_it_is_resumed() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    sandbox.pause().await.unwrap();
    assert_eq!(sandbox.state(), State::Paused);
    assert_eq!(sandbox.execute("true").await.unwrap_err().code(), "invalid-argument");
    sandbox.resume().await.unwrap();
    assert!(sandbox.execute("true").await.unwrap().success());
}

#[tokio::test]
async fn usage_counts_what_runs() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().await.unwrap();
    let idle = sandbox.usage().await.unwrap();
    let _running = sandbox.spawn(Command::new("sleep").arg("3600")).await.unwrap();
    let busy = sandbox.usage().await.unwrap();
    assert_eq!(busy.processes, idle.processes + 1);
    assert!(busy.memory > 0 && busy.memory_peak >= idle.memory_peak);
}

#[tokio::test]
async fn a_lifetime_ends_a_sandbox() {
    if !can_sandbox() {
        return;
    }
    let config = Config::builder().lifetime(Duration::from_millis(100)).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    eventually(|| sandbox.state() == State::Closed).await;
    assert_eq!(sandbox.execute("true").await.unwrap_err().code(), "gone");
}

#[test]
fn a_sandbox_that_is_dropped_outside_its_runtime_is_destroyed() {
    if !can_sandbox() {
        return;
    }
    let host = Host::builder().audit(AuditLog::default()).start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sandbox = runtime.block_on(host.sandbox(&Config::default())).unwrap();
    drop(sandbox);
    runtime.block_on(eventually(|| host.sandboxes() == 0));
}
