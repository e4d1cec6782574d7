//! The contract suite on real microVMs.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use std::time::Duration;

use mimobox_contract::Harness;
use mimobox_harness::KvmHost;
use mimobox_sandbox::Manager;

struct Kvm(KvmHost);

impl Harness for Kvm {
    fn manager(&self) -> &Manager {
        self.0.manager()
    }

    // Where a guest's kernel is emulated, a command takes a second to begin, and many where the machine is busy.
    fn moment(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(900)
    }
}

mimobox_contract::contract!(KvmHost::start().map(Kvm));
