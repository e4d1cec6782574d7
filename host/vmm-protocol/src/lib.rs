//! What the host and the process of a microVM say to each other: the messages, and nothing else.
//!
//! The host starts `mimobox-vmm` with one end of a socket of type `SOCK_SEQPACKET` as its descriptor 3. Each packet is one
//! message ([`encode`], [`decode`]). The host says a [`Request`], the VMM an [`Event`].
//!
//! ```text
//!   host                                VMM
//!     Configure, descriptors ────────►  started
//!                            ◄────────  Jailed: from here on it can reach nothing but its descriptors
//!                            ◄────────  Configured: kernel or state is loaded, no instruction was run
//!     Run                    ────────►
//!                            ◄────────  Running ◄──────┐
//!     Pause                  ────────►                 │
//!                            ◄────────  Paused         │   neither processor nor device moves
//!     Save                   ────────►    │            │
//!                            ◄────────  Saved, memfd   │   only between Paused and Resumed
//!     Resume                 ────────►    │            │
//!                            ◄────────  Resumed ───────┘
//!     Usage                  ────────►                     at any time after Configured
//!                            ◄────────  Usage
//!     Stop                   ────────►
//!                            ◄────────  Ended: said once, whoever ended it; the process exits
//! ```
//!
//! [`Request::Configure`] comes with descriptors, in the order that [`Config::descriptors`] lists; they go along with its
//! packet (`SCM_RIGHTS`). [`Event::Saved`] is the one event that brings a descriptor. Where a request does not fit the state
//! or cannot be done the answer is [`Event::Failed`]. Before `Configured` that ends the VMM; later it goes on as it was.
//! When the host closes its end the VMM ends without a word.
//!
//! Instead of a configuration the first request may be [`Request::Probe`], with `/dev/kvm` alone: the VMM finds out how guests
//! run here, says [`Event::Probed`] and exits.
//!
//! What a VMM says is hostile to the host: a guest that broke out of its processor may speak in its place. So nothing here
//! allocates more than the packet holds, and texts are cut to [`MAX_TEXT`].

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod config;
mod event;
mod failure;
mod jail;
mod packet;
mod probe;

pub use config::{
    Account, Config, ConfigError, Descriptor, Disk, MAX_COMMAND_LINE, MAX_DISKS, MAX_MEMORY, MAX_VCPUS,
    MIN_MEMORY, PAGE, Start, Template,
};
pub use event::{Bytes, End, Event, Exits, InternalError, Request, Usage};
pub use failure::{Failure, KernelFailure, KvmStep, StateFailure};
pub use jail::{JailLine, Mechanism};
pub use packet::{DecodeError, EncodeError, MAX_DESCRIPTORS, MAX_PACKET, MAX_TEXT, cut, decode, encode};
pub use probe::{Flavour, Probe, ProbeFailure};
