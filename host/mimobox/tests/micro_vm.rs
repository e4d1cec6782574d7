//! Sandboxes that are machines of their own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use mimobox::{Config, Isolation, Sandbox};
use mimobox_harness::{Requirement, can_sandbox, met};

#[tokio::test]
async fn a_micro_vm_runs_a_kernel_of_its_own() {
    if !can_sandbox() || !met(Requirement::Kvm) {
        return;
    }
    let config = Config::builder().isolation(Isolation::MicroVm).memory(64 << 20).build().unwrap();
    let sandbox = Sandbox::with_config(&config).await.unwrap();
    let kernel = sandbox.execute("uname -r").await.unwrap().stdout_text().trim_end().to_owned();
    assert!(kernel.ends_with("-mimobox"), "{kernel}");
    sandbox.files().write("/tmp/note", "kept").await.unwrap();
    assert_eq!(sandbox.execute("cat /tmp/note").await.unwrap().stdout_text(), "kept");
    assert!(sandbox.enforcement().iter().any(|line| line.mechanism == "cpu-template"));
    sandbox.destroy().await.unwrap();
}
