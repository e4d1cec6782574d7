//! What a program leaves behind: a file of its own, since it looks at the whole process.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use mimobox::{Command, Config, Host};
use mimobox_harness::{Leftovers, can_sandbox};
use mimobox_sandbox::fake::AuditLog;

#[test]
fn nothing_is_left_of_a_host_and_its_sandboxes() {
    if !can_sandbox() {
        return;
    }
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // The first runtime of a process makes what stays for all: the socket pair that tokio hears of signals by.
    runtime().block_on(async {});
    let before = Leftovers::count();
    let runtime = runtime();
    runtime.block_on(async {
        let host = Host::builder().audit(AuditLog::default()).start().unwrap();
        let config = Config::builder().host(&host).build().unwrap();
        let destroyed = host.sandbox(&config).await.unwrap();
        let dropped = host.sandbox(&config).await.unwrap();
        for sandbox in [&destroyed, &dropped] {
            let id = sandbox.spawn(Command::new("sleep").arg("3600")).await.unwrap().detach();
            assert!(sandbox.attach(id).is_ok());
            sandbox.spawn(Command::new("sleep").arg("3600")).await.unwrap().detach();
        }
        destroyed.destroy().await.unwrap();
        drop(dropped);
    });
    drop(runtime);
    Leftovers::assert_nothing_since(&before);
}
