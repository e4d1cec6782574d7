//! Sandboxes made ahead of need.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::time::{Duration, Instant};

use mimobox::{Config, Host, RestorePool, RestorePoolConfig, blocking};
use mimobox_harness::can_sandbox;
use mimobox_sandbox::fake::AuditLog;

fn host() -> Host {
    Host::builder().audit(AuditLog::default()).start().unwrap()
}

fn two_on(host: &Host) -> RestorePoolConfig {
    let base_config = Config::builder().host(host).environment("FROM", "the base").build().unwrap();
    RestorePoolConfig { pool_size: 2, base_config }
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_gives_each_sandbox_away_once_and_fills_up_again() {
    if !can_sandbox() {
        return;
    }
    let pool = RestorePool::new(two_on(&host())).await.unwrap();
    tokio::task::block_in_place(|| eventually(|| pool.ready() == 2));
    let first = pool.acquire().await.unwrap();
    first.execute("touch /tmp/used").await.unwrap();
    let name = first.id().clone();
    first.destroy().await.unwrap();
    for _ in 0..4 {
        let next = pool.acquire().await.unwrap();
        assert_ne!(next.id(), &name);
        let seen = next.execute("test ! -e /tmp/used && printenv FROM").await.unwrap();
        assert_eq!(seen.stdout, b"the base\n");
    }
    tokio::task::block_in_place(|| eventually(|| pool.ready() == 2));
}

#[test]
fn a_pool_that_is_dropped_on_a_plain_thread_leaves_no_sandbox() {
    if !can_sandbox() {
        return;
    }
    let host = host();
    let pool = blocking::RestorePool::new(two_on(&host)).unwrap();
    assert!(pool.acquire().unwrap().execute("true").unwrap().success());
    eventually(|| pool.ready() == 2);
    drop(pool);
    eventually(|| host.sandboxes() == 0);
}

#[tokio::test]
async fn a_pool_of_none_or_of_too_many_is_refused() {
    if !can_sandbox() {
        return;
    }
    let host = host();
    for (pool_size, code) in [(0, "invalid-argument"), (65, "limit-reached")] {
        let config = RestorePoolConfig { pool_size, ..two_on(&host) };
        assert_eq!(RestorePool::new(config).await.unwrap_err().code(), code);
    }
}
