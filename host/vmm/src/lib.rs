//! One microVM in one jailed process, on KVM.
//!
//! `backend-kvm` starts the binary `mimobox-vmm` with a control socket, sends it descriptors and a configuration
//! (`mimobox-vmm-protocol`), and from then on the process reaches nothing else. It never opens anything itself.
//!
//! ```text
//!              control socket
//!                    │
//!   main thread: control ──► jail, machine (memory, kernel, interrupt controllers), orders
//!                    │ orders, wake-ups
//!        ┌───────────┴──────────────┐
//!   vCPU threads               device thread
//!   KVM_RUN, ports,            queues, when kicked by an eventfd; interrupts by another
//!   device registers ────────► devices
//! ```
//!
//! Everything of the guest's is hostile: registers, queues, ports, and the kernel file and saved state too. All of it is
//! looked at behind the jail.

#![deny(clippy::indexing_slicing)]

pub mod devices;
pub mod layout;
mod sys;
