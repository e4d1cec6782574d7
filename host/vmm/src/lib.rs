//! One microVM in one jailed process, on KVM.
//!
//! `backend-kvm` starts the binary `mimobox-vmm` with a control socket, sends it descriptors and a configuration
//! (`mimobox-vmm-protocol`), and from then on the process reaches nothing else. It opens nothing itself.
//!
//! ```text
//!              control socket
//!                    │
//!   main thread: lifecycle ──► jail, then machine: memory, kernel, interrupt controllers
//!                    │ orders ▲ reports
//!        ┌───────────┴────────┴─────┐
//!   processors' threads        device thread
//!   KVM_RUN; ports and         queues, when kicked by an eventfd; interrupts by another
//!   registers of the board
//! ```
//!
//! Everything of the guest's is hostile: registers, queues, ports, and the kernel file and saved state too. All of it is
//! looked at behind the jail.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a failed expectation ends the test"))]

mod board;
mod channel;
mod device_thread;
pub mod devices;
pub mod jail;
pub mod layout;
mod lifecycle;
mod machine;
mod probe;
mod processor;
mod reports;
mod state;
mod sys;
mod usage;

pub use channel::ChannelError;
pub use lifecycle::{ServeError, serve};
pub use probe::probe;
pub use state::{MAX_STATE, check_state};

use std::os::fd::OwnedFd;

/// The control socket: descriptor 3 of this process, once.
#[must_use]
pub fn connection() -> Option<OwnedFd> {
    sys::take_descriptor()
}
