//! Sandboxes of isolation `micro-vm`: a machine of its own, with a kernel of its own, in a jailed process on KVM.
//!
//! ```text
//!  KvmBackend::create ─► Shape (memory, processors, disks) ─► Template: kept, or booted once
//!        │                                                        │ memory (mapped privately), state
//!        └─► Vmm: cgroups ─► mimobox-vmm ─► jailed ─► restored ◄──┘
//!                │ agent's socket
//!            agent-client ─► SetUp: clock, entropy, name, root, volumes ─► KvmInstance
//! ```
//!
//! A guest's files, processes and terminals are its agent's, as in an OS sandbox. Pausing, measuring and ending are the VMM's.
//! The VMM opens nothing itself: this crate opens `/dev/kvm`, memory and disks, and passes them along.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod backend;
mod boot;
mod config;
mod control;
mod enforcement;
mod error;
mod installed;
mod instance;
mod lazy;
mod log;
mod shape;
mod standing;
mod template;
mod vmm;
mod volumes;

pub use backend::{BASE_IMAGE, KvmBackend};
pub use config::{ImageDisks, KvmConfig};
pub use error::{KvmError, NewBackendError};
pub use installed::{MissingPart, Part};
pub use lazy::{BeginError, LazyKvmBackend};
pub use mimobox_vmm_protocol::{Flavour, Mechanism as JailMechanism, Probe, Template as CpuTemplate};
pub use standing::{open_kvm, probe};
