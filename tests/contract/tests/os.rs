//! The contract suite on real OS sandboxes.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use mimobox_contract::Harness;
use mimobox_harness::OsHost;
use mimobox_sandbox::Manager;

struct Os(OsHost);

impl Harness for Os {
    fn manager(&self) -> &Manager {
        self.0.manager()
    }
}

mimobox_contract::contract!(OsHost::start().map(Os));
