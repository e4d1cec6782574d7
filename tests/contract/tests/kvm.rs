//! The contract suite on real microVMs.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use mimobox_contract::Harness;
use mimobox_harness::KvmHost;
use mimobox_sandbox::Manager;

struct Kvm(KvmHost);

impl Harness for Kvm {
    fn manager(&self) -> &Manager {
        self.0.manager()
    }
}

mimobox_contract::contract!(KvmHost::start().map(Kvm));
