//! What test suites share: a host with real sandboxes, what it needs of the machine, and a look at what is left behind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed expectation ends the test"
)]

mod built;
mod kvm_host;
mod leftovers;
mod os_host;
mod requirement;
mod snapshots;

pub use built::{agent, base_image, component, kernel, program, templates, vmm};
pub use kvm_host::KvmHost;
pub use leftovers::Leftovers;
pub use os_host::OsHost;
pub use requirement::{Requirement, can_sandbox, met};
pub use snapshots::snapshots;
